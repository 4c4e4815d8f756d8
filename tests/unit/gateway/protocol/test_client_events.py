"""Which client events may be sent."""

import msgspec
import pytest

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.channels import BadEventName
from services.gateway.protocol.client_events import ClientEvents
from services.gateway.protocol.frames import Message
from services.gateway.protocol.limits import ClientEventRefused, TooManyClientEvents


def event(
    name: str = "client-typing", channel: str | None = "private-a", data: bytes = b"{}"
) -> Message:
    return Message(name, channel, msgspec.Raw(data))


def check(events: ClientEvents, app: App, message: Message, *, now: float = 0.0) -> None:
    events.check(app, message, is_subscribed=True, now=now)


@pytest.fixture
def events() -> ClientEvents:
    return ClientEvents()


class TestRules:
    """Pusher, "Triggering client events"."""

    @pytest.mark.parametrize("channel", ["private-a", "private-cache-a", "presence-a"])
    def test_allowed(self, events: ClientEvents, app: App, channel: str) -> None:
        check(events, app, event(channel=channel))

    @pytest.mark.parametrize("channel", ["a", "private-encrypted-a", "#server-to-user-ann", None])
    def test_kind_of_channel(self, events: ClientEvents, app: App, channel: str | None) -> None:
        """Only private and presence channels, and no encrypted ones, whose events the server cannot seal."""
        with pytest.raises(ClientEventRefused, match="a private or a presence channel"):
            check(events, app, event(channel=channel))

    def test_switched_off(self, events: ClientEvents, app: App) -> None:
        app = msgspec.structs.replace(app, client_events=False)

        with pytest.raises(ClientEventRefused, match="switched off"):
            check(events, app, event())

    def test_name(self, events: ClientEvents, app: App) -> None:
        limits = msgspec.structs.replace(app.limits, event_name=10)

        with pytest.raises(BadEventName):
            check(events, msgspec.structs.replace(app, limits=limits), event("client-typing"))

    def test_not_subscribed(self, events: ClientEvents, app: App) -> None:
        """Who is not there cannot speak; a long name is not repeated in full."""
        message = event(channel="private-" + "x" * 1000)

        with pytest.raises(ClientEventRefused) as caught:
            events.check(app, message, is_subscribed=False, now=0.0)

        assert len(str(caught.value)) < 250

    def test_size(self, events: ClientEvents, app: App) -> None:
        """As many bytes as the app allows, and not one more."""
        app = msgspec.structs.replace(app, limits=Limits(client_event_bytes=10))

        check(events, app, event(data=b'"12345678"'))
        with pytest.raises(ClientEventRefused, match="10 bytes"):
            check(events, app, event(data=b'"123456789"'))


class TestCounts:
    """Events that say something to us."""

    @pytest.mark.parametrize("has_client_events", [True, False])
    def test_passed_on(self, events: ClientEvents, app: App, *, has_client_events: bool) -> None:
        """They are taken in any case, and passed on where the app has client events."""
        app = msgspec.structs.replace(app, client_events=has_client_events)

        is_passed_on = events.check(app, event(), is_subscribed=True, now=0.0, is_taken=True)

        assert is_passed_on is has_client_events

    def test_too_fast(self, events: ClientEvents, app: App) -> None:
        """Beyond the rate they still count, and are passed on no more."""
        passed_on = [
            events.check(app, event(), is_subscribed=True, now=0.0, is_taken=True) for _ in range(3)
        ]

        assert passed_on == [True, True, False]

    def test_rules(self, events: ClientEvents, app: App) -> None:
        """The other rules hold for them."""
        with pytest.raises(ClientEventRefused):
            events.check(app, event(channel="a"), is_subscribed=True, now=0.0, is_taken=True)
        with pytest.raises(ClientEventRefused):
            events.check(app, event(), is_subscribed=False, now=0.0, is_taken=True)


class TestRate:
    """So many a second."""

    def test_passed(self, events: ClientEvents, app: App) -> None:
        """The one too many is refused, and a second later they go on."""
        for _ in range(2):
            check(events, app, event())

        with pytest.raises(TooManyClientEvents, match="2 client events a second"):
            check(events, app, event())
        check(events, app, event(), now=1.0)

    def test_refused_ones_are_not_counted(self, events: ClientEvents, app: App) -> None:
        """What breaks a rule takes nothing from those that keep them."""
        for _ in range(9):
            with pytest.raises(ClientEventRefused):
                check(events, app, event(channel="a"))

        check(events, app, event())

    def test_changed(self, events: ClientEvents, app: App) -> None:
        """Another limit counts from the next event."""
        for _ in range(2):
            check(events, app, event())
        wider = msgspec.structs.replace(app, limits=Limits(client_events=3))

        for _ in range(3):
            check(events, wider, event())
        with pytest.raises(TooManyClientEvents):
            check(events, wider, event())
