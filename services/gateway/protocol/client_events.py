"""
Client events: what a client may send to the other subscribers of a channel.

Pure.  ``now`` is monotonic seconds.  Source: Pusher, "Triggering client events"; docs/protocol.md,
"Client events".
"""

from libs.common.apps.app import App
from libs.common.apps.limits import exceeds
from libs.common.channels import Kind, check_event, kind_of
from libs.common.rates.gcra import judge
from services.gateway.protocol.frames import Message
from services.gateway.protocol.limits import ClientEventRefused, TooManyClientEvents

AWAY = "client-away"  # Tells us that its user is away, or is back; taken by every app.


class ClientEvents:
    """Judges the client events of one connection."""

    __slots__ = ("_earned_at", "_rate")

    def __init__(self) -> None:
        self._rate = 0.0
        self._earned_at = 0.0  # When all that were allowed will have been earned.

    def check(
        self,
        app: App,
        message: Message,
        *,
        is_subscribed: bool,
        now: float,
        is_taken: bool = False,
    ) -> bool:
        """
        Let an event pass that the app's rules allow.

        Args:
            app: The sender's app, as it is now.
            message: The client event.
            is_subscribed: Whether its sender is subscribed to its channel.
            now: The present instant.
            is_taken: Whether it says something to us that counts whether or not it is passed on.

        Returns:
            Whether it is passed on to others.

        Raises:
            ClientEventRefused: The event breaks a rule.
            BadEventName: The event's name breaks a rule.
            TooManyClientEvents: The client sends events too fast, and this one does not count.
        """
        is_ours = is_taken or message.event == AWAY
        _check(app, message, is_subscribed=is_subscribed, is_ours=is_ours)
        rate = app.limits.client_events
        if rate <= 0 or self._takes(rate, now):
            return app.client_events
        if is_taken:
            return False
        raise TooManyClientEvents(rate)

    def _takes(self, rate: float, now: float) -> bool:
        if rate != self._rate:  # Another limit counts from now on.
            self._rate, self._earned_at = rate, 0.0
        wait, self._earned_at = judge(self._earned_at, now=now, rate=rate, cost=1)
        return not wait


def _check(app: App, message: Message, *, is_subscribed: bool, is_ours: bool) -> None:
    name = message.channel or ""
    if not (app.client_events or is_ours):
        raise ClientEventRefused("client events are switched off for this app")
    check_event(message.event, longest=app.limits.longest_event_name)
    if not is_subscribed:
        raise ClientEventRefused(f"not subscribed to {name[:200]}")
    if kind_of(name) not in {Kind.PRIVATE, Kind.PRESENCE}:
        raise ClientEventRefused("client events need a private or a presence channel")
    limit = app.limits.client_event_bytes
    if exceeds(len(bytes(message.data)), limit):
        raise ClientEventRefused(f"the data of a client event may have {limit} bytes")
