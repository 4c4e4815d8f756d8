"""
Client events in which a client says something of its user: that it types, has sent, or has read.

Pure.  The user is the one as whom the client is in a presence channel, elsewhere the one whose the
connection is: it speaks for nobody else, whatever its data say.  docs/protocol.md, "Client events".
"""

from typing import Any

import msgspec

from libs.common.channels import Channel
from libs.common.json_text import JsonReader
from libs.common.marks.mark import mark_of
from services.gateway.access.principal import Principal
from services.gateway.protocol.effects import Effect, HasRead, HasSent, Types, error_told
from services.gateway.protocol.limits import NoUser
from services.gateway.session.rules import SessionRules
from services.gateway.session.subscriptions import Subscriptions

TYPING = "client-typing"
MESSAGE = "client-message"
READ = "client-read"


class _Word(msgspec.Struct, frozen=True):
    typing: Any = True
    upto: Any = None


_word = JsonReader(_Word)


class UserWords:
    """
    Takes what one client says of its user.

    Args:
        rules: Say in which channels that counts.
        subscriptions: As whom the client is in presence channels.
        principal: Whose the connection is.
    """

    __slots__ = ("_principal", "_rules", "_subscriptions", "_was_told")

    def __init__(
        self, rules: SessionRules, subscriptions: Subscriptions, principal: Principal
    ) -> None:
        self._rules = rules
        self._subscriptions = subscriptions
        self._principal = principal
        self._was_told = False  # Whether the client knows that such words need a user.

    def takes(self, channel: Channel, event: str, *, has_client_events: bool) -> bool:
        """
        Tell whether an event is a word that is taken in a channel, however fast words come.

        Args:
            channel: Where it was said.
            event: The name of the event.
            has_client_events: Whether the app has them: then one may type in every channel.
        """
        if event == READ:
            return self._rules.receipts.rule(channel) is not None
        if event != TYPING or self._rules.typing_ttl <= 0:
            return False
        return has_client_events or self._rules.typing.rule(channel) is not None

    def typing(self, channel: str, data: str | None) -> list[Effect]:
        """Take the word that the user types, or with ``"typing": false`` that it does no more."""
        if self._rules.typing_ttl <= 0:
            return []
        user_id = self._user_id(channel)
        if not user_id:
            return self._nobody(TYPING)
        return [Types(channel, user_id, is_typing=_read(data).typing is not False)]

    def message(self, channel: str) -> list[Effect]:
        """Take the news that the user has sent what it typed; nobody's message says nothing."""
        user_id = self._user_id(channel) if self._rules.typing_ttl > 0 else ""
        return [HasSent(channel, user_id)] if user_id else []

    def read(self, channel: Channel, data: str | None) -> list[Effect]:
        """
        Take the word how far the user has read.

        Raises:
            BadMark: It cannot be read.
        """
        rule = self._rules.receipts.rule(channel)
        if rule is None:
            return []
        mark = mark_of(_read(data).upto, is_position=rule.are_positions)
        user_id = self._user_id(channel.name)
        return [HasRead(channel.name, user_id, mark)] if user_id else self._nobody(READ)

    def _user_id(self, channel: str) -> str:
        member = self._subscriptions.member(channel)
        return member.user_id if member else self._principal.owner

    def _nobody(self, event: str) -> list[Effect]:
        """Tell the client once that it is nobody's: it may say so with every key that is hit."""
        if self._was_told:
            return []
        self._was_told = True
        return [error_told(NoUser(event))]


def _read(data: str | None) -> _Word:
    """Read a word; what is none says what an empty one does."""
    try:
        return _word.read(data or "{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _Word()
