"""Who is subscribed to what, and who gets a frame."""

import pytest

from libs.common.bus.messages import Broadcast, Entry, Position
from libs.common.channels import Channel
from services.gateway.channels.hub import Disposition, Fanout, Hub
from tests.unit.gateway.channels.hubs import NEWS, ROOM, Client, broadcast, entry


class TestRooms:
    """What is followed here, and for how long."""

    def test_open_twice(self, hub: Hub[Client]) -> None:
        """
        A channel that is followed already keeps its position and its subscribers.
        """
        hub.subscribe(NEWS, client := Client())

        room = hub.open(NEWS, Position("e", 99), now=1.0)

        assert room.position == Position("e", 5)
        assert list(room.subscribers) == [client]

    def test_close(self, hub: Hub[Client]) -> None:
        """
        What is followed no longer is forgotten; closing it twice is no fault.
        """
        hub.close(NEWS)
        hub.close(NEWS)

        assert hub.room(NEWS) is None
        assert [room.channel for room in hub.rooms()] == [ROOM]

    def test_idle(self, hub: Hub[Client]) -> None:
        """
        A channel is idle from when its last subscriber went, or from when it was opened for nobody.
        """
        first, second = Client("1.1"), Client("2.2")
        hub.subscribe(NEWS, first)
        hub.subscribe(NEWS, second)
        hub.unsubscribe(NEWS, first, now=10.0)
        assert hub.idle(since=50.0) == [ROOM]

        hub.unsubscribe(NEWS, second, now=20.0)

        assert hub.idle(since=19.9) == [ROOM]
        assert hub.idle(since=20.0) == [NEWS, ROOM]

    def test_unsubscribe_from_nothing(self, hub: Hub[Client]) -> None:
        """
        Leaving what one is not in, or what is not followed, is no fault.
        """
        hub.unsubscribe(NEWS, Client(), now=0.0)
        hub.unsubscribe(Channel("2", "news"), Client(), now=0.0)

        assert hub.fanout(NEWS, [broadcast("x")]) is None


class TestJudge:
    """architecture.md, 2: in order, no duplicate; a gap is repaired or announced."""

    def test_next(self, hub: Hub[Client]) -> None:
        """
        The next entry is delivered, and moves the position.
        """
        assert hub.judge(entry(6)) is Disposition.DELIVER
        assert hub.judge(entry(7)) is Disposition.DELIVER

    @pytest.mark.parametrize("offset", [1, 5])
    def test_old(self, hub: Hub[Client], offset: int) -> None:
        """
        What was delivered is not delivered again.
        """
        assert hub.judge(entry(offset)) is Disposition.IGNORE

    @pytest.mark.parametrize(
        "ahead", [entry(7), entry(600), entry(6, epoch="f"), entry(1, epoch="f")]
    )
    def test_gap(self, hub: Hub[Client], ahead: Entry) -> None:
        """
        After a hole, or in another epoch, nothing moves until it is repaired.
        """
        assert hub.judge(ahead) is Disposition.REPAIR
        assert hub.judge(ahead) is Disposition.REPAIR
        assert hub.judge(entry(6)) is Disposition.DELIVER

    @pytest.mark.parametrize(
        "first,verdict",
        [
            (entry(1, epoch="5o7"), Disposition.DELIVER),
            (entry(2, epoch="5o7"), Disposition.REPAIR),
            (entry(1, epoch="6o7"), Disposition.REPAIR),
            (entry(1, epoch="5"), Disposition.REPAIR),
        ],
    )
    def test_first(self, hub: Hub[Client], first: Entry, verdict: Disposition) -> None:
        """
        In a channel that had no entry the first one is the next, where it was born of the same origin.
        """
        channel = Channel("1", "quiet")
        hub.open(channel, Position("5o", 0), now=0.0)

        assert hub.judge(Entry(channel, first.position, first.broadcast)) is verdict

    def test_not_followed(self, hub: Hub[Client]) -> None:
        """
        What is still on its way of a channel that is followed no longer is left.
        """
        assert hub.judge(entry(6, channel=Channel("2", "news"))) is Disposition.IGNORE

    def test_activity(self, hub: Hub[Client]) -> None:
        """
        Only what is delivered spares a channel the position check: old offsets may be those of a new history.
        """
        room = hub.room(NEWS)
        assert room is not None

        hub.judge(entry(3))
        assert not room.active

        hub.judge(entry(6))
        assert room.active


class TestFanout:
    """Who gets what."""

    def test_everybody(self, hub: Hub[Client]) -> None:
        """
        All subscribers get all frames, in the order of both.
        """
        clients = [Client(f"{number}.1") for number in range(3)]
        for client in clients:
            hub.subscribe(NEWS, client)
        frames = (broadcast("a"), broadcast("b"))

        fanout = hub.fanout(NEWS, iter(frames))

        assert fanout == Fanout(NEWS, tuple(clients), frames)
        assert fanout.excluded() == {}

    def test_recipients(self, hub: Hub[Client]) -> None:
        """
        Of each frame those are counted who get it.
        """
        for number in range(3):
            hub.subscribe(NEWS, Client(f"{number}.1"))
        shared, own = broadcast("a"), Broadcast(b"b", 0.0, ("1.1", "gone"))

        fanout = hub.fanout(NEWS, [shared, own])

        assert fanout is not None
        assert (fanout.recipients(shared), fanout.recipients(own)) == (3, 2)

    def test_subscribed_twice(self, hub: Hub[Client]) -> None:
        """
        Who is subscribed twice gets a frame once.
        """
        client = Client()
        hub.subscribe(NEWS, client)
        hub.subscribe(NEWS, client)

        fanout = hub.fanout(NEWS, [broadcast("a")])

        assert fanout is not None
        assert fanout.subscribers == (client,)

    def test_nobody(self, hub: Hub[Client]) -> None:
        """
        Without subscribers, or of a channel that is not followed, there is nothing to do.
        """
        assert hub.fanout(NEWS, [broadcast("a")]) is None
        assert hub.fanout(Channel("2", "news"), [broadcast("a")]) is None

    def test_later_changes(self, hub: Hub[Client]) -> None:
        """
        Recipients are named at once: who comes or goes afterwards changes nothing.
        """
        first, second = Client("1.1"), Client("2.2")
        hub.subscribe(NEWS, first)
        fanout = hub.fanout(NEWS, [broadcast("a")])

        hub.subscribe(NEWS, second)
        hub.unsubscribe(NEWS, first, now=0.0)

        assert fanout is not None
        assert fanout.subscribers == (first,)

    def test_excluded(self, hub: Hub[Client]) -> None:
        """
        An originator that is here gets the others' frames; one that is elsewhere changes nothing.
        """
        first, second = Client("1.1"), Client("2.2")
        hub.subscribe(NEWS, first)
        hub.subscribe(NEWS, second)
        a, b, c = broadcast("a", "1.1"), broadcast("b"), broadcast("c", "1.1", "9.9")

        fanout = hub.fanout(NEWS, [a, b, c])

        assert fanout is not None
        assert fanout.excluded() == {first: (b,)}

    def test_excluded_from_everything(self, hub: Hub[Client]) -> None:
        """
        Who is excluded from all gets nothing.
        """
        hub.subscribe(NEWS, client := Client("1.1"))

        fanout = hub.fanout(NEWS, [broadcast("a", "1.1")])

        assert fanout is not None
        assert fanout.excluded() == {client: ()}
