"""Who types, as the hub keeps it for newcomers."""

from libs.common.bus.messages import Cached, Position
from libs.common.channels import Channel
from services.gateway.channels.hub import Hub
from services.gateway.protocol import frames
from tests.unit.gateway.channels.hubs import NEWS, Client, entry

ELSEWHERE = Channel("1", "elsewhere")
ANN, NOBODY = (frames.typing("news", len(users), users) for users in (["ann"], []))


def greeting(hub: Hub[Client], channel: Channel = NEWS) -> tuple[bytes, ...]:
    return hub.greeting(channel, now=0.0)


class TestTold:
    """Lists that the bus brings."""

    def test_newcomers(self, hub: Hub[Client]) -> None:
        """
        Newcomers are sent the last one, also when nobody types by now; before the first one nothing.
        """
        assert greeting(hub) == ()

        assert hub.list_told(NEWS, ANN)
        assert greeting(hub) == (ANN,)
        assert hub.list_told(NEWS, NOBODY)
        assert greeting(hub) == (NOBODY,)

    def test_told_again(self, hub: Hub[Client]) -> None:
        """
        What subscribers have been told is nothing new.
        """
        hub.list_told(NEWS, ANN)

        assert not hub.list_told(NEWS, ANN)

    def test_not_followed(self, hub: Hub[Client]) -> None:
        assert not hub.list_told(ELSEWHERE, ANN)
        assert not hub.list_read(ELSEWHERE, ANN, known=0)

    def test_after_the_last_event(self, hub: Hub[Client]) -> None:
        """
        In a cache channel it comes after what the channel keeps, or does not keep.
        """
        full, empty = Channel("1", "cache-a"), Channel("1", "cache-b")
        for channel in (full, empty):
            hub.open(channel, Position("e", 1), now=0.0)
            hub.list_told(channel, ANN)
        kept = Cached(entry(1, channel=full), 60.0)

        hub.remember(full, kept, asked_at=Position("e", 1))
        hub.remember(empty, None, asked_at=Position("e", 1))

        assert greeting(hub, full) == (b"1", ANN)
        assert greeting(hub, empty) == (frames.cache_miss("cache-b"), ANN)


class TestRead:
    """Lists that are read when a channel begins to be followed, and after a doubt."""

    def test_first(self, hub: Hub[Client]) -> None:
        """
        Who has come meanwhile is told, and newcomers from now on.
        """
        assert hub.list_read(NEWS, ANN, known=0)

        assert greeting(hub) == (ANN,)
        assert not hub.list_read(NEWS, ANN, known=0)

    def test_known(self, hub: Hub[Client]) -> None:
        """
        Whether newcomers are told a list decides whether that nobody types is worth telling.
        """
        assert not hub.has_list(NEWS)
        assert not hub.has_list(ELSEWHERE)

        hub.list_read(NEWS, ANN, known=0)
        assert hub.has_list(NEWS)
        assert hub.list_read(NEWS, NOBODY, known=0)
        assert greeting(hub) == (NOBODY,)

    def test_overtaken(self, hub: Hub[Client]) -> None:
        """
        What the bus has brought since is newer, or soon will be.
        """
        hub.list_told(NEWS, ANN)
        room = hub.room(NEWS)
        assert room is not None

        assert not hub.list_read(NEWS, NOBODY, known=0)
        assert greeting(hub) == (ANN,)
        assert hub.list_read(NEWS, NOBODY, known=room.lists)
