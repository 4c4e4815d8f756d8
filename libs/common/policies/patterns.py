"""
Patterns of channel names, with captures: ``private-company.{company_id}``.

Pure.  ``{name}`` takes a part without full stops, ``{name*}`` one that may have them; both at least
a character.  Where a name could be divided in several ways, the first capture takes as much as it
can, then the second, and so on.

Strangers name the channels, so a name is never tried in one way after the other: where a regular
expression would have to, a table tells for each place of the name how far a capture may reach
there.  That takes a step for each character and capture.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from libs.common.errors import Misconfigured

_CAPTURE = re.compile(r"\{([^{}]*)\}")
_CAPTURE_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\*?)")
_LITERAL = re.compile(r"[-a-zA-Z0-9_=@,.;]*")


class BadPattern(Misconfigured):
    """A pattern cannot be read."""


@dataclass(frozen=True, slots=True)
class Capture:
    """
    A part of a name that differs from channel to channel.

    Attributes:
        name: How conditions call it.
        is_wide: Whether it may have full stops.
    """

    name: str
    is_wide: bool

    @property
    def characters(self) -> str:
        """A regular expression of one of its characters."""
        return r"[-a-zA-Z0-9_=@,.;]" if self.is_wide else r"[-a-zA-Z0-9_=@,;]"

    @property
    def end(self) -> str:
        """The character at which it ends for certain; no name has a line feed."""
        return "\n" if self.is_wide else "."


def parts_of(text: str, capture: Callable[[str], Capture]) -> Iterator[str | Capture]:
    """
    Take a text with captures apart: literals, which may be empty, and captures take turns.

    Args:
        text: To be read.
        capture: Makes a capture of what stands in braces.
    """
    at = 0
    for found in _CAPTURE.finditer(text):
        yield text[at : found.start()]
        yield capture(found[1])
        at = found.end()
    yield text[at:]


def _unfit(literal: str) -> str:
    """Say what is wrong with a text between captures; captures have taken all pairs of braces."""
    for brace, lacking in ("{", "closed"), ("}", "opened"):
        if brace in literal:
            return f"a brace is not {lacking}: {literal!r}"
    return f"{literal!r} cannot stand in a channel's name"


class Pattern:
    """
    A pattern.

    Args:
        text: As the settings have it.
        reserved: Names that no capture may have.

    Raises:
        BadPattern: The text cannot be read as a pattern.
    """

    __slots__ = ("_match", "_parts", "_table", "captures", "text")

    def __init__(self, text: str, reserved: frozenset[str] = frozenset()) -> None:
        self.text = text
        self._parts = tuple(parts_of(text, _capture))
        captures = [part for part in self._parts if isinstance(part, Capture)]
        self.captures: Mapping[str, Capture] = {capture.name: capture for capture in captures}
        for literal in self._parts:
            if isinstance(literal, str) and not _LITERAL.fullmatch(literal):
                raise BadPattern(_unfit(literal))
        _check_names([capture.name for capture in captures], reserved)
        self._table = _Table(self._parts) if _leaves_choice(self._parts) else None
        self._match = re.compile("".join(map(_expression, self._parts))).fullmatch

    def match(self, channel: str) -> Mapping[str, str] | None:
        """Return what is captured of a channel's name; None: the pattern does not fit."""
        if self._table:
            return self._table.match(channel)
        found = self._match(channel)
        return found.groupdict() if found else None

    def filled(self, captures: Mapping[str, str]) -> str:
        """Put captures in their places; ``*`` stands for those that are not known."""
        return "".join(
            captures.get(part.name, "*") if isinstance(part, Capture) else part
            for part in self._parts
        )


def _check_names(names: list[str], reserved: frozenset[str]) -> None:
    taken = set(reserved)
    for name in names:
        if name in taken:
            raise BadPattern(f"the name {name!r} is taken")
        taken.add(name)


def _capture(text: str) -> Capture:
    found = _CAPTURE_NAME.fullmatch(text)
    if not found:
        raise BadPattern(f"{{{text}}} is no capture such as {{id}} or {{id*}}")
    return Capture(found[1], bool(found[2]))


def _leaves_choice(parts: Sequence[str | Capture]) -> bool:
    """Tell whether a capture that others follow could end at several places of a name."""
    return any(
        not str(after).startswith(part.end)
        for part, after in pairwise(parts[:-2])
        if isinstance(part, Capture)
    )


def _expression(part: str | Capture) -> str:
    return re.escape(part) if isinstance(part, str) else f"(?P<{part.name}>[^{part.end}]+)"


class _Table:
    """
    Matches where the ends of captures are not certain.

    Args:
        parts: Literals and captures in turns.
    """

    __slots__ = ("_captures", "_head", "_literals")

    def __init__(self, parts: Sequence[str | Capture]) -> None:
        self._head = str(parts[0])
        self._captures = [part for part in parts if isinstance(part, Capture)]
        self._literals = [str(part) for part in parts[2::2]]

    def match(self, channel: str) -> Mapping[str, str] | None:
        """See `Pattern.match`."""
        if not (channel.startswith(self._head) and channel.endswith(self._literals[-1])):
            return None
        captured = {}
        place = len(self._head)
        ends = self._all_ends(channel)
        for capture, literal, after in zip(self._captures, self._literals, ends, strict=True):
            end = after[place]
            if not end:
                return None
            captured[capture.name] = channel[place:end]
            place = end + len(literal)
        return captured

    def _all_ends(self, channel: str) -> list[list[int]]:
        """
        Tell of each capture how far it may reach, so that all behind it fits.

        Returns:
            For each capture and place of the name the farthest end; 0: it cannot begin there.
        """
        tables: list[list[int]] = []
        fits = [0] * len(channel) + [1]  # Whether all behind the literal fits from a place on.
        for capture, literal in zip(
            reversed(self._captures), reversed(self._literals), strict=True
        ):
            fits = _ends(channel, capture, _starts(channel, literal, fits))
            tables.append(fits)
        return tables[::-1]


def _starts(channel: str, literal: str, fits: list[int]) -> list[int]:
    """Tell of each place whether a literal stands there, and what follows it fits."""
    if not literal:
        return fits
    starts = [0] * len(fits)
    place = channel.find(literal)
    while place >= 0:
        starts[place] = fits[place + len(literal)]
        place = channel.find(literal, place + 1)
    return starts


def _ends(channel: str, capture: Capture, starts: list[int]) -> list[int]:
    """Tell of each place the farthest end of a capture that begins there; 0: it cannot."""
    ends = [0] * len(starts)
    stop, end = capture.end, 0
    for place in range(len(channel) - 1, -1, -1):
        if channel[place] == stop:
            end = 0
        elif not end and starts[place + 1]:
            end = place + 1
        ends[place] = end
    return ends
