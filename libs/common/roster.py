"""
The roster: who is a member of which presence channel, through which gateway, and which gateways live.

`Roster` is the port, `MemoryRoster` its reference implementation for a single process; `roster_redis` is the
other.  A *member* is a user in a channel, held there by one connection or more.  Transitions are announced on
the bus (`messages.Transition`) by whoever decides them, in the same atomic step.
"""

import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

from libs.common.channels import Channel
from libs.common.errors import Invalid, Unavailable
from libs.common.messages import Transition

CLEARED_FOR = 86_400.0  # Seconds that a cleared gateway is remembered, and refused.

_NEVER = -math.inf  # When the lease of a gateway that never took one lapsed.

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Seat:
    """
    A connection's place in a presence channel.

    Attributes:
        channel: Where.
        socket_id: The connection; unique among all gateways.
        gateway: Who holds the connection: the lease that keeps the seat.  Without blanks.
    """

    channel: Channel
    socket_id: str
    gateway: str


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """
    A connection that wants a seat for a user.

    Attributes:
        seat: Which connection, where.
        user_id: Who.
        info: ``user_info`` as JSON text; that of the user's first connection is kept.
        limit: The most users that the channel may have; 0 or less is no limit.
    """

    seat: Seat
    user_id: str
    info: str
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Members:
    """
    Who is in a presence channel.

    Attributes:
        version: Raised by one with each transition; a later reading has no lower one, except after the
            roster lost data.  A channel that was empty may go on from a higher version.
        infos: User id to ``user_info`` as JSON text.
    """

    version: int
    infos: Mapping[str, str]


class TooManyMembers(Invalid):
    """A presence channel has as many users as its app allows."""

    code = 4100  # docs/protocol.md, "Subscribe / unsubscribe": the status of LimitReached.

    def __init__(self, limit: int) -> None:
        super().__init__(f"the channel already has {limit} members")
        self.limit = limit


class LeaseLost(Unavailable):
    """The gateway's lease was ended and its seats were cleared; it must return under a new name."""

    def __init__(self, gateway: str) -> None:
        super().__init__("roster")
        self.gateway = gateway


JoinAnswer = Members | TooManyMembers | Unavailable


class Roster(Protocol):
    """
    Members and leases, shared by every process.

    A user joins a channel with its first connection and leaves it with the last; each such transition is
    decided atomically, raises the channel's version by one and is announced once on the bus, in order.
    Joining and leaving twice is the same as once.

    A gateway takes a lease before its connections join, and renews it.  When a lease was found lapsed for
    longer than the grace period, `sweep` clears the gateway's seats, and the gateway is refused for a day.
    The grace period begins when a sweep finds the lease lapsed, so that an outage of the roster, in which
    nobody could renew, ends nobody's lease.  A gateway without a lease counts as one whose lease has lapsed.
    """

    async def join(self, requests: Sequence[JoinRequest]) -> list[JoinAnswer]:
        """
        Seat connections, each as if it were alone.

        A connection that is seated under another gateway's name passes to the gateway that asks.  One that
        is seated as another user gives up that seat first.

        Returns:
            For each request, in order, the channel's members at some moment after the seat was taken, the
            caller included; requests of one channel may share one reading.  Or why it has no seat:
            `TooManyMembers`: the user is new to the channel, and the channel is full.
            `LeaseLost`: the seat's gateway was cleared.
            Another `Unavailable`: the roster is away; the connection may be seated, and may ask again.
        """

    async def leave(self, seats: Sequence[Seat], *, grace: float) -> None:
        """
        Give up seats, at once or, with ``grace`` seconds, when they have passed and `sweep` is called.

        A user that joins again in the meantime never left.  A seat that passed to another gateway stays.

        Raises:
            Unavailable: The roster is away for at least one; call again, else it stays for as long as the
                gateway's lease.
        """

    async def members(self, channels: Sequence[Channel]) -> list[Members]:
        """
        Read who is in each of these channels.

        Raises:
            Unavailable: The roster is away for at least one.
        """

    async def sizes(self, channels: Sequence[Channel]) -> list[int]:
        """
        Read how many users each of these channels has.

        Raises:
            Unavailable: The roster is away for at least one.
        """

    async def renew(self, gateway: str, *, ttl: float) -> bool:
        """
        Take or renew a gateway's lease for ``ttl`` seconds.

        Returns:
            Whether the gateway had a lease.  If not, it is new, or a sweep found its lease lapsed, or the
            roster lost data, and perhaps the gateway's seats: it should join again with all that it has.

        Raises:
            LeaseLost: It was cleared.
            Unavailable: The roster is away, at least in part.
        """

    async def release(self, gateway: str) -> None:
        """
        End a gateway's lease now; its seats are cleared when the grace period has passed.

        Raises:
            Unavailable: The roster is away, at least in part.
        """

    async def sweep(self, *, grace: float) -> int:
        """
        Make final what is due: seats whose grace is over, and those of gateways whose lease lapsed.

        With the seats of such a gateway go its counts (`tally.Tally`).

        Several may sweep at once.  A call does a bounded amount of work.

        Args:
            grace: Seconds that a lease must have been known as lapsed before its seats are cleared.

        Returns:
            How many seats it cleared, and how many counts of a `tally.Tally`; call again at once while it is
            not 0.

        Raises:
            Unavailable: The roster is away, at least in part; the rest was swept.
        """


class _Occupant(NamedTuple):
    """Who sits on a seat."""

    gateway: str
    user_id: str


@dataclass(slots=True)
class _Room:
    """One presence channel."""

    version: int
    occupants: dict[str, _Occupant] = field(default_factory=dict)  # By socket id.
    counts: dict[str, int] = field(default_factory=dict)
    infos: dict[str, str] = field(default_factory=dict)


class MemoryRoster:
    """
    A roster for one process.  See `Roster`.

    A channel is forgotten when it is empty; versions of new ones begin above all that were ever given.

    Args:
        announce: Puts a transition on the bus.
        clock: Monotonic seconds.
    """

    SWEEP_LIMIT = 1000

    def __init__(
        self, announce: Callable[[Transition], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._announce = announce
        self._clock = clock
        self._rooms: dict[Channel, _Room] = {}
        self._highest = 0  # The highest version of a forgotten channel.
        self._leaving: dict[Seat, float] = {}
        self._held: dict[str, set[Seat]] = {}
        self._leases: dict[str, float] = {}  # Gateway to when it lapses.
        self._renewed: dict[str, float] = {}  # Gateway to when, of those that are in `_leases`.
        self._lapsed: dict[str, float] = {}  # Gateway to when a sweep first saw that.
        self._cleared: dict[str, float] = {}  # Gateway to when; swept out after a day.
        self._watchers: list[Callable[[str], int]] = []

    async def join(self, requests: Sequence[JoinRequest]) -> list[JoinAnswer]:
        """See `Roster.join`."""
        refusals = [self._seat(request) for request in requests]
        readings = {request.seat.channel: self._read(request.seat.channel) for request in requests}
        return [
            refusal or readings[request.seat.channel]
            for request, refusal in zip(requests, refusals, strict=True)
        ]

    def _seat(self, request: JoinRequest) -> TooManyMembers | LeaseLost | None:
        seat = request.seat
        if seat.gateway in self._cleared:
            return LeaseLost(seat.gateway)
        self.expect(seat.gateway)
        if (occupant := self._occupant(seat)) is not None:
            former = Seat(seat.channel, seat.socket_id, occupant.gateway)
            if occupant.user_id == request.user_id:
                self._pass_on(former, seat, occupant.user_id)
                return None
            self._rise(former)
        room = self._rooms.get(seat.channel)
        counts = room.counts if room else {}
        if 0 < request.limit <= len(counts) and request.user_id not in counts:
            return TooManyMembers(request.limit)
        self._sit(request)
        return None

    def _occupant(self, seat: Seat) -> _Occupant | None:
        room = self._rooms.get(seat.channel)
        return room.occupants.get(seat.socket_id) if room else None

    def _pass_on(self, former: Seat, seat: Seat, user_id: str) -> None:
        self._leaving.pop(former, None)
        self._let_go(former)
        self._held.setdefault(seat.gateway, set()).add(seat)
        self._rooms[seat.channel].occupants[seat.socket_id] = _Occupant(seat.gateway, user_id)

    def _sit(self, request: JoinRequest) -> None:
        seat, user_id = request.seat, request.user_id
        room = self._rooms.setdefault(seat.channel, _Room(self._highest))
        room.occupants[seat.socket_id] = _Occupant(seat.gateway, user_id)
        self._held.setdefault(seat.gateway, set()).add(seat)
        room.counts[user_id] = room.counts.get(user_id, 0) + 1
        if room.counts[user_id] == 1:
            room.infos[user_id] = request.info
            room.version += 1
            self._announce(Transition(seat.channel, room.version, user_id, request.info))

    async def leave(self, seats: Sequence[Seat], *, grace: float) -> None:
        """See `Roster.leave`."""
        for seat in seats:
            occupant = self._occupant(seat)
            if occupant is None or occupant.gateway != seat.gateway:
                continue
            if grace > 0:
                self._leaving.setdefault(seat, self._clock() + grace)
            else:
                self._rise(seat)

    def _rise(self, seat: Seat) -> None:
        self._leaving.pop(seat, None)
        self._let_go(seat)
        room = self._rooms[seat.channel]
        user_id = room.occupants.pop(seat.socket_id).user_id
        room.counts[user_id] -= 1
        if room.counts[user_id] == 0:
            del room.counts[user_id], room.infos[user_id]
            room.version += 1
            self._announce(Transition(seat.channel, room.version, user_id, None))
        if not room.occupants:
            self._highest = max(self._highest, room.version)
            del self._rooms[seat.channel]

    def _let_go(self, seat: Seat) -> None:
        held = self._held[seat.gateway]
        held.discard(seat)
        if not held:
            del self._held[seat.gateway]

    async def members(self, channels: Sequence[Channel]) -> list[Members]:
        """See `Roster.members`."""
        return [self._read(channel) for channel in channels]

    def _read(self, channel: Channel) -> Members:
        room = self._rooms.get(channel)
        return Members(room.version, dict(room.infos)) if room else Members(self._highest, {})

    async def sizes(self, channels: Sequence[Channel]) -> list[int]:
        """See `Roster.sizes`."""
        return [len(self._read(channel).infos) for channel in channels]

    def expect(self, gateway: str) -> None:
        """Take a gateway that has no lease for one whose lease lapsed, so that it does not stay for ever."""
        self._leases.setdefault(gateway, _NEVER)

    def silence(self, gateway: str) -> float:
        """Tell how many seconds ago a gateway renewed its lease; infinity: it lapsed, or there is none."""
        now = self._clock()
        if self._leases.get(gateway, _NEVER) <= now:
            return math.inf
        return now - self._renewed[gateway]

    def has_cleared(self, gateway: str) -> bool:
        """Tell whether a gateway was cleared."""
        return gateway in self._cleared

    def when_cleared(self, tell: Callable[[str], int]) -> None:
        """Have somebody told of each gateway that is cleared, who says how many counts went with it."""
        self._watchers.append(tell)

    async def renew(self, gateway: str, *, ttl: float) -> bool:
        """See `Roster.renew`."""
        if gateway in self._cleared:
            raise LeaseLost(gateway)
        had_lease = self._leases.get(gateway, _NEVER) != _NEVER
        self._lapsed.pop(gateway, None)
        self._renewed[gateway] = self._clock()
        self._leases[gateway] = self._clock() + ttl
        return had_lease

    async def release(self, gateway: str) -> None:
        """See `Roster.release`."""
        self._renewed.pop(gateway, None)
        if self._leases.pop(gateway, None) is not None:
            self._lapsed.setdefault(gateway, self._clock())

    async def sweep(self, *, grace: float) -> int:
        """See `Roster.sweep`."""
        now = self._clock()
        counts = 0
        for gateway in _due(self._leases, now):
            del self._leases[gateway]
            self._renewed.pop(gateway, None)
            self._lapsed.setdefault(gateway, now)
        for gateway in _due(self._cleared, now - CLEARED_FOR):
            del self._cleared[gateway]
        for gateway in _due(self._lapsed, now - grace):
            del self._lapsed[gateway]
            self._cleared[gateway] = now
            self._leaving.update(dict.fromkeys(self._held.get(gateway, ()), now))
            counts += sum(tell(gateway) for tell in self._watchers)
        due = _due(self._leaving, now)[: self.SWEEP_LIMIT]
        for seat in due:
            self._rise(seat)
        return len(due) + counts


def _due(instants: dict[_Key, float], now: float) -> list[_Key]:
    return [key for key, at in instants.items() if at <= now]
