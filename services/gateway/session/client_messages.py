"""
Client events of one connection: what it says to others, and of its user to us.

Pure.  ``now`` is monotonic seconds.
"""

from libs.common.apps.app import App
from libs.common.bus.messages import event_frame
from libs.common.channels import Channel
from services.gateway.access.principal import Principal
from services.gateway.protocol import client_events, frames
from services.gateway.protocol.client_events import ClientEvents
from services.gateway.protocol.effects import Effect, Relay
from services.gateway.protocol.frames import Message
from services.gateway.session import user_words
from services.gateway.session.activity import Activity
from services.gateway.session.rules import SessionRules
from services.gateway.session.subscriptions import Subscriptions
from services.gateway.session.user_words import UserWords

_SAID = {"true": True, "false": False}


class ClientMessages:
    """
    Takes the client events of one connection.

    Args:
        rules: Say in which channels what the client says of its user counts.
        principal: Whose the connection is.
        subscriptions: The channels to which it may send.
        activity: Is told whether the client says that its user is away.
    """

    __slots__ = ("_activity", "_rules", "_subscriptions", "_words")

    def __init__(
        self,
        rules: SessionRules,
        principal: Principal,
        subscriptions: Subscriptions,
        *,
        activity: Activity,
    ) -> None:
        self._subscriptions = subscriptions
        self._activity = activity
        self._words = UserWords(rules, subscriptions, principal)
        self._rules = ClientEvents()

    def received(self, app: App, message: Message, *, now: float) -> list[Effect]:
        """
        Take a client event; raises as `ClientEvents.check` does.

        Raises:
            BadMessage: Its data is no text.
            BadMark: It says how far the user has read, and that cannot be read.
        """
        channel = Channel(app.id, message.channel or "")
        is_passed_on = self._rules.check(
            app,
            message,
            is_subscribed=self._subscriptions.is_subscribed(channel.name),
            now=now,
            is_taken=self._words.takes(channel, message.event, has_client_events=app.client_events),
        )
        data = frames.client_data(message.data)
        told = self._told(channel, message.event, data)
        return [*told, self._relay(channel.name, message.event, data)] if is_passed_on else told

    def _told(self, channel: Channel, event: str, data: str | None) -> list[Effect]:
        """Take what an event says to us of the client's user."""
        match event:
            case client_events.AWAY:
                is_away = _SAID.get(data or "")
                return [] if is_away is None else self._activity.says(is_away=is_away)
            case user_words.TYPING:
                return self._words.typing(channel.name, data)
            case user_words.MESSAGE:
                return self._words.message(channel.name)
            case user_words.READ:
                return self._words.read(channel, data)
        return []

    def _relay(self, channel: str, event: str, data: str | None) -> Relay:
        member = self._subscriptions.member(channel)
        user_id = member.user_id if member else None
        frame = event_frame(channel, event, data, user_id=user_id)
        return Relay(channel, frame, event, data or "", user_id or "")
