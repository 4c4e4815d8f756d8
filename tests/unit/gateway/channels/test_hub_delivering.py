"""The hub over a bus that loses, repeats and begins anew."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from libs.common.bus.messages import Entry, Position
from services.gateway.channels.hub import Disposition, Hub
from tests.unit.gateway.channels.hubs import NEWS, Client, broadcast


@dataclass(eq=False)
class Reader(Client):
    """
    A subscriber that keeps account of what it got.

    Attributes:
        at: Up to where it has everything, or was told that it has not.
    """

    at: Position = field(default_factory=lambda: Position("", 0))

    def take(self, position: Position) -> None:
        assert self.at.leads_to(position.epoch)
        assert position.offset == self.at.offset + 1
        self.at = position


class Delivering(RuleBasedStateMachine):
    """
    A bus whose deliveries may be lost, repeated and cut off, whose history may have gone, and start anew.

    The gateway does as it does in earnest: it delivers, ignores, or repairs as the hub says.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hub: Hub[Reader] = Hub()
        self.origin = 0
        self.life = 0
        self.offset = 0
        self.kept_from = 0  # Entries after this offset are in the history.
        self.on_their_way: list[Entry] = []
        self.arrived: list[Entry] = []
        self.readers: list[Reader] = []
        self.hub.open(NEWS, self.top, now=0.0)

    @property
    def top(self) -> Position:
        life = self.life if self.offset else ""
        return Position(f"{self.origin}o{life}", self.offset)

    @rule(count=st.integers(1, 3))
    def publish(self, count: int) -> None:
        for _ in range(count):
            self.life += self.offset == 0
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
        """Fail over to a replica that lags; what was not begun there begins anew."""
        self.offset = max(0, self.offset - count)
        self.kept_from = min(self.kept_from, self.offset)

    @rule()
    def expire(self) -> None:
        self.offset = self.kept_from = 0

    @rule()
    def start_anew(self) -> None:
        self.origin += 1
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
        if verdict is Disposition.DELIVER:
            self._deliver(delivery)
        elif verdict is Disposition.REPAIR:
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
        if known.leads_to(self.top.epoch) and reaches_back:
            for offset in range(known.offset + 1, self.offset + 1):
                missing = Entry(NEWS, Position(self.top.epoch, offset), broadcast(""))
                self.hub.advance(room, missing)
                self._deliver(missing)
            return
        self.hub.skip_to(room, self.top)
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
TestDelivering.settings = settings(max_examples=100, stateful_step_count=40)
