"""
Templates of groups: ``campaign:{campaign_id}``, what a user must be a member of.

Pure.  A template says the group that a channel asks for, and, of a group, which captures it was
made of.  The second has one answer only: between two captures stands a character that the first of
them cannot have.
"""

import re
from collections.abc import Mapping

from libs.common.errors import Misconfigured
from libs.common.memberships.membership import MAX_NAME
from libs.common.policies.patterns import Capture, Pattern, parts_of


class BadTemplate(Misconfigured):
    """A template cannot be read, or its groups could be those of several channels."""


class GroupTemplate:
    """
    A template.

    Args:
        text: As the settings have it.
        pattern: Of the channels; it has the captures.

    Raises:
        BadTemplate: The template cannot work.
    """

    __slots__ = ("_match", "_parts", "text")

    def __init__(self, text: str, pattern: Pattern) -> None:
        self.text = text
        self._parts = tuple(parts_of(text, lambda name: _capture(name, pattern)))
        for literal in self._parts[::2]:
            _check_literal(str(literal))
        if len(text) > MAX_NAME:
            raise BadTemplate(f"it is longer than {MAX_NAME} characters")
        self._check_gaps()
        self._match = re.compile(self._expression()).fullmatch

    def render(self, captures: Mapping[str, str]) -> str:
        """Name the group that a channel asks for."""
        return "".join(
            captures[part.name] if isinstance(part, Capture) else part for part in self._parts
        )

    def captures_of(self, group: str) -> Mapping[str, str] | None:
        """Tell which captures a group was made of; None: it is none of this template's."""
        found = self._match(group)
        return found.groupdict() if found else None

    def _check_gaps(self) -> None:
        for left, gap, right in zip(
            self._parts[1::2], self._parts[2::2], self._parts[3::2], strict=False
        ):
            if isinstance(left, Capture) and isinstance(right, Capture):
                _check_gap(left, str(gap), right)

    def _expression(self) -> str:
        expression = ""
        seen: set[str] = set()
        for part in self._parts:
            if isinstance(part, str):
                expression += re.escape(part)
            elif part.name in seen:
                expression += f"(?P={part.name})"
            else:
                seen.add(part.name)
                expression += f"(?P<{part.name}>{part.characters}+)"
        return expression


def _capture(name: str, pattern: Pattern) -> Capture:
    capture = pattern.captures.get(name.removesuffix("*"))
    if capture is None:
        raise BadTemplate(f"{{{name}}} is not captured by the pattern")
    return capture


def _check_literal(text: str) -> None:
    if not text.isprintable() or "{" in text or "}" in text:
        raise BadTemplate(f"{text!r} cannot stand in a group's name")


def _check_gap(left: Capture, gap: str, right: Capture) -> None:
    if all(re.fullmatch(left.characters, character) for character in gap):
        raise BadTemplate(
            f"between {{{left.name}}} and {{{right.name}}} must stand a character that "
            "no channel's name has, "
            "such as a colon: two channels could ask for the same group"
        )
