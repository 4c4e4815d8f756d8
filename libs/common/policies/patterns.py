"""
Patterns of channel names, with captures: ``private-company.{company_id}``.

Pure.  ``{name}`` takes a part without full stops, ``{name*}`` one that may have them; both at least
a character.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

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

    __slots__ = ("_match", "_parts", "captures", "text")

    def __init__(self, text: str, reserved: frozenset[str] = frozenset()) -> None:
        self.text = text
        self._parts = tuple(parts_of(text, _capture))
        captures = [part for part in self._parts if isinstance(part, Capture)]
        self.captures: Mapping[str, Capture] = {capture.name: capture for capture in captures}
        for literal in self._parts:
            if isinstance(literal, str) and not _LITERAL.fullmatch(literal):
                raise BadPattern(_unfit(literal))
        _check_names([capture.name for capture in captures], reserved)
        self._match = re.compile("".join(map(_expression, self._parts))).fullmatch

    def match(self, channel: str) -> Mapping[str, str] | None:
        """Return what is captured of a channel's name; None: the pattern does not fit."""
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


def _expression(part: str | Capture) -> str:
    if isinstance(part, str):
        return re.escape(part)
    return f"(?P<{part.name}>.+)" if part.is_wide else f"(?P<{part.name}>[^.]+)"
