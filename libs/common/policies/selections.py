"""
Selections: channels in which something is kept that is not kept in all.

Pure.  The sections ``[[typing]]`` and ``[[receipts]]``; the first rule of an app whose pattern fits
a channel's name counts.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Generic, Literal, Protocol, TypeVar

import msgspec
from msgspec import Meta

from libs.common.channels import Channel
from libs.common.policies.patterns import Pattern

_Pattern = Annotated[str, Meta(min_length=1)]


class TypingRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Channels in which clients may say that they type where their app has no client events.

    Attributes:
        pattern: A channel's name, prefix included, with captures: ``private-chat.{id}``.
        app: The app's id; may be left out where only one app exists.
    """

    pattern: _Pattern
    app: str = ""


class ReceiptRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Channels in which it is kept how far each user has read.

    Attributes:
        pattern: A channel's name, prefix included, with captures: ``private-chat.{id}``.
        marks: What marks are: ``numbers`` of the application's own, or ``positions`` in the
            channel's history.
        app: The app's id; may be left out where only one app exists.
    """

    pattern: _Pattern
    marks: Literal["numbers", "positions"] = "numbers"
    app: str = ""

    @property
    def are_positions(self) -> bool:
        """Whether marks are positions in the channel's history."""
        return self.marks == "positions"


class _Selecting(Protocol):
    @property
    def pattern(self) -> str: ...

    @property
    def app(self) -> str: ...


R = TypeVar("R", bound=_Selecting)


class SelectedChannels(Generic[R]):
    """
    The channels that rules select.

    Args:
        rules: As the settings have them, each with its app.

    Raises:
        BadPattern: A pattern cannot be read.
    """

    def __init__(self, rules: Iterable[R] = ()) -> None:
        self._rules: dict[str, list[tuple[Pattern, R]]] = {}
        for rule in rules:
            self._rules.setdefault(rule.app, []).append((Pattern(rule.pattern), rule))

    def __bool__(self) -> bool:
        """Whether there are rules at all."""
        return bool(self._rules)

    def selects(self, app: str) -> bool:
        """Whether there are rules of an app at all."""
        return app in self._rules

    def rule(self, channel: Channel) -> R | None:
        """Return the rule that selects a channel; None: it is not selected."""
        selected = self._selected(channel)
        return None if selected is None else selected[0]

    def captures(self, channel: Channel) -> Mapping[str, str]:
        """Return what the rule that selects a channel captures of its name; else nothing."""
        selected = self._selected(channel)
        return {} if selected is None else selected[1]

    def _selected(self, channel: Channel) -> tuple[R, Mapping[str, str]] | None:
        for pattern, rule in self._rules.get(channel.app, ()):
            captured = pattern.match(channel.name)
            if captured is not None:
                return rule, captured
        return None
