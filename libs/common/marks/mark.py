"""
Marks: how far somebody has read, as a value.

Pure.  Either a number of the application's own that grows, such as a message's id, or a position in
the channel's history, ``epoch:offset``.
"""

from dataclasses import dataclass

from libs.common.errors import Invalid

MOST = 2**63 - 1
SAFE = 2**53 - 1  # JavaScript reads no larger number exactly (ECMAScript, MAX_SAFE_INTEGER).
MAX_EPOCH = 64  # Characters.


class BadMark(Invalid):
    """What is said to be a mark is none, or is of the other kind than the channel's."""

    code = 4304  # docs/protocol.md, "Error codes"; by HTTP it is a 400.

    def __init__(self, *, is_position: bool) -> None:
        wanted = "a position, epoch:offset" if is_position else f"a whole number from 0 to {MOST}"
        super().__init__(f"upto: expected {wanted}")


@dataclass(frozen=True, slots=True)
class Mark:
    """
    How far somebody has read.

    Attributes:
        number: The application's own, or the offset of a position.
        epoch: Which life of the channel's history the offset is of; empty: it is no position.
    """

    number: int
    epoch: str = ""

    @property
    def text(self) -> str:
        """As facts have it; `recalled` reads it."""
        return f"{self.epoch}:{self.number}" if self.epoch else str(self.number)

    @property
    def told(self) -> int | str:
        """As JSON has it: a number that JavaScript reads exactly, else a text."""
        return self.text if self.epoch or self.number > SAFE else self.number

    def moved(self, to: "Mark") -> "Mark":
        """Return what stands where this one stood and another is told: it never moves back."""
        if self.epoch != to.epoch:
            return to
        return max(self, to, key=lambda mark: mark.number)


def recalled(text: str) -> Mark:
    """Read a mark that `Mark.text` has written; raises as `mark_of` does."""
    return mark_of(text, is_position=":" in text)


def mark_of(told: object, *, is_position: bool) -> Mark:
    """
    Read a mark.

    Args:
        told: As JSON had it; a number may stand in a text.
        is_position: Whether the channel's marks are positions.

    Raises:
        BadMark: It cannot be read.
    """
    epoch = ""
    if is_position:
        epoch, _, told = told.rpartition(":") if isinstance(told, str) else ("", "", None)
    number = _number(told)
    if number is None or bool(epoch) != is_position or not _is_epoch(epoch):
        raise BadMark(is_position=is_position)
    return Mark(number, epoch)


def _number(told: object) -> int | None:
    if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) <= len(str(MOST)):
        told = int(told)
    if not isinstance(told, int) or isinstance(told, bool):
        return None
    return told if 0 <= told <= MOST else None


def _is_epoch(text: str) -> bool:
    return len(text) <= MAX_EPOCH and (not text or (text.isascii() and text.isalnum()))
