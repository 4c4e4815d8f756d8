"""The roster of a single process: the reference implementation of `port.Roster`."""

import math
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from libs.common.bus.messages import Transition
from libs.common.channels import Channel
from libs.common.roster.port import (
    JoinAnswer,
    JoinRequest,
    LeaseLost,
    Members,
    Seat,
    TooManyMembers,
)

CLEARED_FOR = 86_400.0  # Seconds that a cleared gateway is remembered, and refused.

_NEVER = -math.inf  # When the lease of a gateway that never took one lapsed.

_Key = TypeVar("_Key", bound=Hashable)


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
