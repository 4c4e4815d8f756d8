"""Who is subscribed to what, and who gets a frame."""

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from libs.common.channels import Channel
from libs.common.messages import Broadcast, Entry, Position, Transition
from libs.common.roster import Members
from services.gateway.hub import MAX_EARLY, Fanout, Hub, Verdict, announcements
from services.gateway.mirror import UNCHANGED, Diff

NEWS, ROOM = Channel("1", "news"), Channel("1", "presence-room")


@dataclass(eq=False)
class Client:
    """A subscriber."""

    socket_id: str = "1.1"


def entry(offset: int, *, epoch: str = "e", channel: Channel = NEWS) -> Entry:
    return Entry(channel, Position(epoch, offset), broadcast(str(offset)))


def broadcast(text: str, *excluded: str) -> Broadcast:
    return Broadcast(text.encode(), 0.0, excluded)


def transition(version: int, user_id: str, info: str | None = "null") -> Transition:
    return Transition(ROOM, version, user_id, info)


@pytest.fixture
def hub() -> Hub[Client]:
    hub: Hub[Client] = Hub()
    hub.open(NEWS, Position("e", 5), now=0.0)
    hub.open(ROOM, Position("e", 0), now=0.0)
    return hub


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
        assert hub.judge(entry(6)) is Verdict.DELIVER
        assert hub.judge(entry(7)) is Verdict.DELIVER

    @pytest.mark.parametrize("offset", [1, 5])
    def test_old(self, hub: Hub[Client], offset: int) -> None:
        """
        What was delivered is not delivered again.
        """
        assert hub.judge(entry(offset)) is Verdict.IGNORE

    @pytest.mark.parametrize(
        "ahead", [entry(7), entry(600), entry(6, epoch="f"), entry(1, epoch="f")]
    )
    def test_gap(self, hub: Hub[Client], ahead: Entry) -> None:
        """
        After a hole, or in another epoch, nothing moves until it is repaired.
        """
        assert hub.judge(ahead) is Verdict.REPAIR
        assert hub.judge(ahead) is Verdict.REPAIR
        assert hub.judge(entry(6)) is Verdict.DELIVER

    def test_not_followed(self, hub: Hub[Client]) -> None:
        """
        What is still on its way of a channel that is followed no longer is left.
        """
        assert hub.judge(entry(6, channel=Channel("2", "news"))) is Verdict.IGNORE

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


class TestMembers:
    """docs/protocol.md, "Presence": a snapshot, and then no gap."""

    def test_before_the_snapshot(self, hub: Hub[Client]) -> None:
        """
        Transitions that come before the first snapshot are kept, and those that are newer applied to it.
        """
        for version, user_id in [(4, "a"), (5, "b"), (6, "c")]:
            assert hub.transition(transition(version, user_id)) == UNCHANGED

        assert hub.snapshot(ROOM, Members(5, {"a": "null", "b": "null"}), known=0) == UNCHANGED

        assert set(hub.members(ROOM)) == {"a", "b", "c"}
        assert hub.version(ROOM) == 6

    def test_missing_before_the_snapshot(self, hub: Hub[Client]) -> None:
        """
        Where one of them is missing, the next transition shows it.
        """
        hub.transition(transition(7, "c"))
        hub.snapshot(ROOM, Members(5, {}), known=0)

        assert hub.version(ROOM) == 5
        assert hub.transition(transition(8, "d")) is None

    def test_too_many_before_the_snapshot(self, hub: Hub[Client]) -> None:
        """
        Only the newest are kept.
        """
        for version in range(1, MAX_EARLY + 10):
            hub.transition(transition(version, str(version)))

        room = hub.room(ROOM)
        assert room is not None
        assert [each.version for each in room.early] == list(range(10, MAX_EARLY + 10))

    def test_transition(self, hub: Hub[Client]) -> None:
        """
        Afterwards each transition is told once.
        """
        hub.snapshot(ROOM, Members(1, {"a": "null"}), known=0)

        assert hub.transition(transition(2, "b")) == Diff({"b": "null"}, [])
        assert hub.transition(transition(2, "b")) == UNCHANGED
        assert hub.transition(transition(3, "a", None)) == Diff({}, ["a"])

    def test_gap(self, hub: Hub[Client]) -> None:
        """
        A missing transition is noticed; the next snapshot tells the difference.
        """
        hub.snapshot(ROOM, Members(1, {"a": "null"}), known=0)

        assert hub.transition(transition(4, "c")) is None
        assert hub.snapshot(ROOM, Members(4, {"c": "null"}), known=1) == Diff({"c": "null"}, ["a"])

    def test_not_followed(self, hub: Hub[Client]) -> None:
        """
        What is still on its way of a channel that is followed no longer is left.
        """
        hub.close(ROOM)

        assert hub.transition(transition(1, "a")) == UNCHANGED
        assert hub.version(ROOM) == 0

    def test_unknown(self, hub: Hub[Client]) -> None:
        """
        Before the first snapshot nothing is known of the members.
        """
        assert hub.members(ROOM) == {}
        assert hub.version(ROOM) == 0


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

        assert fanout == Fanout(tuple(clients), frames)
        assert fanout.excluded() == {}

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


class TestAnnouncements:
    """docs/protocol.md, "Presence"."""

    def test_frames(self) -> None:
        """
        Who left comes before who joined, so that a client's count never exceeds the members.
        """
        diff = Diff({"b": '{"name":"B"}'}, ["a"])

        left, joined = announcements("presence-x", diff, now=7.0, excluded=("1.1",))

        assert json.loads(left.frame)["event"] == "pusher_internal:member_removed"
        assert json.loads(joined.frame)["event"] == "pusher_internal:member_added"
        assert left.published_at == joined.published_at == 7.0
        assert left.excluded == joined.excluded == ("1.1",)

    def test_nothing(self) -> None:
        """
        Where nothing changed nothing is said.
        """
        assert announcements("presence-x", UNCHANGED, now=7.0) == []


@dataclass(eq=False)
class Reader(Client):
    """
    A subscriber that keeps account of what it got.

    Attributes:
        at: Up to where it has everything, or was told that it has not.
    """

    at: Position = field(default_factory=lambda: Position("", 0))

    def take(self, position: Position) -> None:
        assert position == Position(self.at.epoch, self.at.offset + 1)
        self.at = position


class Delivering(RuleBasedStateMachine):
    """
    A bus whose deliveries may be lost, repeated and cut off, whose history may have gone, and start anew.

    The gateway does as it does in earnest: it delivers, ignores, or repairs as the hub says.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hub: Hub[Reader] = Hub()
        self.epoch = 0
        self.offset = 0
        self.kept_from = 0  # Entries after this offset are in the history.
        self.on_their_way: list[Entry] = []
        self.arrived: list[Entry] = []
        self.readers: list[Reader] = []
        self.hub.open(NEWS, self.top, now=0.0)

    @property
    def top(self) -> Position:
        return Position(str(self.epoch), self.offset)

    @rule(count=st.integers(1, 3))
    def publish(self, count: int) -> None:
        for _ in range(count):
            self.offset += 1
            self.on_their_way.append(Entry(NEWS, self.top, broadcast(str(self.top))))

    @precondition(lambda self: self.on_their_way)
    @rule()
    def arrive(self) -> None:
        self.arrived.append(self.on_their_way.pop(0))
        self._take(self.arrived[-1])

    @precondition(lambda self: self.arrived)
    @rule(place=st.integers(0, 50))
    def arrive_again(self, place: int) -> None:
        self._take(self.arrived[place % len(self.arrived)])

    @precondition(lambda self: self.on_their_way)
    @rule(place=st.integers(0, 50))
    def lose(self, place: int) -> None:
        del self.on_their_way[place % len(self.on_their_way)]

    @rule()
    def lose_history(self) -> None:
        self.kept_from = self.offset

    @rule(count=st.integers(1, 3))
    def fall_back(self, count: int) -> None:
        """Fail over to a replica that lags."""
        self.offset = max(0, self.offset - count)
        self.kept_from = min(self.kept_from, self.offset)

    @rule()
    def start_anew(self) -> None:
        self.epoch += 1
        self.offset = self.kept_from = 0

    @rule()
    def subscribe(self) -> None:
        reader = Reader(f"{len(self.readers)}.0")
        room = self.hub.room(NEWS)
        if room is None:
            room = self.hub.open(NEWS, self.top, now=0.0)
        reader.at = room.position
        self.hub.subscribe(NEWS, reader)
        self.readers.append(reader)

    @precondition(lambda self: self.readers)
    @rule(place=st.integers(0, 50))
    def unsubscribe(self, place: int) -> None:
        self.hub.unsubscribe(NEWS, self.readers.pop(place % len(self.readers)), now=0.0)

    @rule()
    def unfollow(self) -> None:
        for channel in self.hub.idle(since=0.0):
            self.hub.close(channel)

    @rule()
    def check_position(self) -> None:
        room = self.hub.room(NEWS)
        if room is not None and room.position != self.top:
            self._repair()

    def _take(self, delivery: Entry) -> None:
        verdict = self.hub.judge(delivery)
        if verdict is Verdict.DELIVER:
            self._deliver(delivery)
        elif verdict is Verdict.REPAIR:
            self._repair()

    def _deliver(self, delivery: Entry) -> None:
        fanout = self.hub.fanout(NEWS, [delivery.broadcast])
        assert (set(fanout.subscribers) if fanout else set()) == set(self.readers)
        for reader in self.readers:
            reader.take(delivery.position)

    def _repair(self) -> None:
        room = self.hub.room(NEWS)
        assert room is not None
        known = room.position
        reaches_back = self.kept_from <= known.offset <= self.offset
        if known.epoch == self.top.epoch and reaches_back:
            for offset in range(known.offset + 1, self.offset + 1):
                missing = Entry(NEWS, Position(known.epoch, offset), broadcast(""))
                room.position = missing.position
                self._deliver(missing)
            return
        room.position = self.top
        for reader in self.readers:
            reader.at = self.top

    @invariant()
    def nobody_is_behind_or_ahead(self) -> None:
        room = self.hub.room(NEWS)
        for reader in self.readers:
            assert room is not None
            assert reader.at == room.position

    def teardown(self) -> None:
        """See that what is on its way, and then the position check, bring everybody to the end."""
        while self.on_their_way:
            self.arrive()
        self.check_position()
        assert all(reader.at == self.top for reader in self.readers)


TestDelivering = Delivering.TestCase
TestDelivering.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
