"""What newcomers to cache channels are sent."""

import json

import pytest

from libs.common.bus.messages import Broadcast, Cached, Entry, Position
from libs.common.channels import Channel
from services.gateway.channels.hub import Disposition, Hub
from tests.unit.gateway.channels.hubs import Client

CACHE = Channel("1", "cache-news")
NAMES = ["cache-x", "private-cache-x", "private-encrypted-cache-x", "presence-cache-x"]
TTL = 60.0
AT = 1000.0  # When everything here was published, UTC epoch seconds.


def published(offset: int, *, epoch: str = "e", channel: Channel = CACHE) -> Entry:
    """Make the entry at an offset; its frame is that number."""
    return Entry(channel, Position(epoch, offset), Broadcast(str(offset).encode(), AT))


def kept(offset: int, *, epoch: str = "e") -> Cached:
    return Cached(published(offset, epoch=epoch), TTL)


@pytest.fixture
def hub() -> Hub[Client]:
    hub: Hub[Client] = Hub(TTL)
    hub.open(CACHE, Position("e", 5), now=0.0)
    return hub


def remember(hub: Hub[Client], cached: Cached | None, asked_at: int = 5) -> None:
    hub.remember(CACHE, cached, asked_at=Position("e", asked_at))


def greeting(hub: Hub[Client], *, now: float = AT) -> list[str]:
    """Return what a newcomer is sent, in short: the number of an event, or the name of a message."""
    assert hub.is_ready(CACHE)
    frames = [json.loads(frame) for frame in hub.greeting(CACHE, now=now)]
    return [each["event"] if isinstance(each, dict) else str(each) for each in frames]


class TestReady:
    """Whether what newcomers are sent is known."""

    @pytest.mark.parametrize("name", NAMES)
    def test_cache(self, name: str) -> None:
        """
        Of a cache channel it is not, until the bus was asked or an entry came.
        """
        hub, channel = Hub[Client](), Channel("1", name)
        assert not hub.is_ready(channel)
        hub.open(channel, Position("e", 0), now=0.0)
        assert not hub.is_ready(channel)

        assert hub.judge(published(1, channel=channel)) is Disposition.DELIVER

        assert hub.is_ready(channel)

    @pytest.mark.parametrize("name", ["news", "private-x", "presence-x", "my-cache-x", "cachex"])
    def test_other(self, name: str) -> None:
        """
        Of others there is nothing to know.
        """
        hub, channel = Hub[Client](), Channel("1", name)
        assert not hub.is_ready(channel)

        hub.open(channel, Position("e", 0), now=0.0)

        assert hub.is_ready(channel)
        assert hub.greeting(channel, now=AT) == ()
        hub.judge(published(1, channel=channel))
        assert hub.greeting(channel, now=AT) == ()


class TestGreeting:
    """Pusher, "Cache channels"."""

    def test_nothing_kept(self, hub: Hub[Client]) -> None:
        """
        Where the bus keeps nothing newcomers are told so.
        """
        remember(hub, None)

        assert greeting(hub) == ["pusher:cache_miss"]

    def test_kept(self, hub: Hub[Client]) -> None:
        """
        Else they get what it keeps.
        """
        remember(hub, kept(5))

        assert greeting(hub) == ["5"]

    def test_delivered(self, hub: Hub[Client]) -> None:
        """
        What was delivered last is newer, whatever was known before.
        """
        remember(hub, kept(5))

        hub.judge(published(6))
        hub.judge(published(7))

        assert greeting(hub) == ["7"]

    def test_repaired(self, hub: Hub[Client]) -> None:
        """
        So is what was delivered when a gap was repaired.
        """
        room = hub.room(CACHE)
        assert room is not None

        hub.advance(room, published(9))

        assert room.position == Position("e", 9)
        assert greeting(hub) == ["9"]

    @pytest.mark.parametrize("offset", [4, 5, 9])
    def test_not_delivered(self, hub: Hub[Client], offset: int) -> None:
        """
        What is old, or is ahead of what is missing, is not the last that was delivered.
        """
        remember(hub, None)

        hub.judge(published(offset))

        assert greeting(hub) == ["pusher:cache_miss"]

    def test_expired(self, hub: Hub[Client]) -> None:
        """
        An event is sent for so long after it was published, and no longer.
        """
        remember(hub, kept(5))

        assert greeting(hub, now=AT + TTL - 0.1) == ["5"]
        assert greeting(hub, now=AT + TTL) == ["pusher:cache_miss"]


class TestRemember:
    """The answer of the bus may be older or newer than what was delivered here."""

    def test_delivered_meanwhile(self, hub: Hub[Client]) -> None:
        """
        What was delivered while the bus was asked is newer than its answer.
        """
        hub.judge(published(6))

        remember(hub, kept(5))
        remember(hub, None)

        assert greeting(hub) == ["6"]

    @pytest.mark.parametrize("ahead", [kept(6), kept(9), kept(1, epoch="f")])
    def test_ahead(self, hub: Hub[Client], ahead: Cached) -> None:
        """
        What was not delivered yet will be, to newcomers too: they get nothing else before it.
        """
        remember(hub, ahead)

        assert greeting(hub) == []
        hub.judge(published(6))
        assert greeting(hub) == ["6"]

    def test_from_the_origin(self) -> None:
        """
        What was published first, after the channel was followed, is on its way; what came before is known.
        """
        hub: Hub[Client] = Hub(TTL)
        hub.open(CACHE, origin := Position("5o", 0), now=0.0)

        hub.remember(CACHE, kept(1, epoch="5o7"), asked_at=origin)

        assert greeting(hub) == []
        hub.judge(published(1, epoch="5o7"))
        assert greeting(hub) == ["1"]

    def test_skipped_meanwhile(self, hub: Hub[Client]) -> None:
        """
        Where entries were skipped the answer may be older than they are: the bus is to be asked again.
        """
        room = hub.room(CACHE)
        assert room is not None
        hub.skip_to(room, Position("e", 9))

        remember(hub, kept(5))
        remember(hub, None)

        assert not hub.is_ready(CACHE)
        remember(hub, kept(9), asked_at=9)
        assert greeting(hub) == ["9"]

    def test_skipped(self, hub: Hub[Client]) -> None:
        """
        Where entries were skipped what was known is the last no longer.
        """
        remember(hub, kept(5))
        room = hub.room(CACHE)
        assert room is not None

        hub.skip_to(room, Position("e", 9))

        assert not hub.is_ready(CACHE)

    def test_closed_meanwhile(self, hub: Hub[Client]) -> None:
        """
        Of a channel that is followed no longer nothing is remembered.
        """
        hub.close(CACHE)

        remember(hub, kept(5))

        assert not hub.is_ready(CACHE)
