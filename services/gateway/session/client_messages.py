"""
Client events of one connection: what it says to others, and of its user to us.

Pure.  ``now`` is monotonic seconds.
"""

from libs.common.apps.app import App
from libs.common.bus.messages import event_frame
from services.gateway.protocol import frames
from services.gateway.protocol.client_events import AWAY, ClientEvents
from services.gateway.protocol.effects import Effect, Relay
from services.gateway.protocol.frames import Message
from services.gateway.session.activity import Activity
from services.gateway.session.subscriptions import Subscriptions

_SAID = {"true": True, "false": False}


class ClientMessages:
    """
    Takes the client events of one connection.

    Args:
        subscriptions: The channels to which it may send.
        activity: Is told what the client says of its user.
    """

    __slots__ = ("_activity", "_rules", "_subscriptions")

    def __init__(self, subscriptions: Subscriptions, activity: Activity) -> None:
        self._subscriptions = subscriptions
        self._activity = activity
        self._rules = ClientEvents()

    def received(self, app: App, message: Message, *, now: float) -> list[Effect]:
        """
        Take a client event; raises as `ClientEvents.check` does.

        Raises:
            BadMessage: Its data is no text.
        """
        name = message.channel or ""
        is_subscribed = self._subscriptions.is_subscribed(name)
        self._rules.check(app, message, is_subscribed=is_subscribed, now=now)
        data = frames.client_data(message.data)
        told: list[Effect] = []
        if message.event == AWAY and (is_away := _SAID.get(data or "")) is not None:
            told = self._activity.says(is_away=is_away)
        if not app.client_events:
            return told
        member = self._subscriptions.member(name)
        user_id = member.user_id if member else None
        frame = event_frame(name, message.event, data, user_id=user_id)
        return [*told, Relay(name, frame, message.event, data or "", user_id or "")]
