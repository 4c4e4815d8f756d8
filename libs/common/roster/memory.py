"""The roster of a single process: the reference implementation of `roster.port.Roster`."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from libs.common.bus.messages import Transition
from libs.common.channels import Channel, online_user
from libs.common.leases.memory import MemoryLeases, due
from libs.common.leases.port import LeaseLost
from libs.common.lifecycle.facts import Fact
from libs.common.roster.port import (
    JoinAnswer,
    JoinRequest,
    Members,
    Seat,
    Seated,
    TooManyMembers,
)


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
    since: float = 0.0


class MemoryRoster:
    """
    A roster for one process.  See `Roster`.

    A channel is forgotten when it is empty; versions of new ones begin above all that were ever
    given.

    Args:
        announce: Puts a transition on the bus.
        leases: For as long as they last, gateways keep their seats.  Grace goes by the clock of the
            leases.
        decided: Told what members and users have become.
        wall: UTC epoch seconds.
    """

    SWEEP_LIMIT = 1000  # Seats that one sweep takes away.

    def __init__(
        self,
        announce: Callable[[Transition], None],
        leases: MemoryLeases,
        *,
        decided: Callable[[Fact], None] = lambda _: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._announce = announce
        self._decided = decided
        self._wall = wall
        self._leases = leases
        self._clock = leases.clock
        self._rooms: dict[Channel, _Room] = {}
        self._highest = 0  # The highest version of a forgotten channel.
        self._leaving: dict[Seat, float] = {}
        self._held: dict[str, set[Seat]] = {}
        leases.keep(self)

    async def check(self) -> None:
        """See `Roster.check`: it is this process."""

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
        if self._leases.has_cleared(seat.gateway):
            return LeaseLost(seat.gateway)
        self._leases.expect(seat.gateway)
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
            self._came(seat.channel, room, user_id)

    def _came(self, channel: Channel, room: _Room, user_id: str) -> None:
        owner = online_user(channel)
        if len(room.counts) == 1:
            room.since = self._wall()
            if owner:
                self._decided(Fact(kind="user_online", app=channel.app, user=owner))
        if not owner:
            added = Fact(kind="member_added", app=channel.app, channel=channel.name, user=user_id)
            self._decided(added)

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
            self._went(seat.channel, room, user_id)
        if not room.occupants:
            self._highest = max(self._highest, room.version)
            del self._rooms[seat.channel]

    def _went(self, channel: Channel, room: _Room, user_id: str) -> None:
        owner = online_user(channel)
        if not owner:
            removed = Fact(
                kind="member_removed", app=channel.app, channel=channel.name, user=user_id
            )
            self._decided(removed)
        elif not room.counts:
            self._decided(Fact(kind="user_offline", app=channel.app, user=owner))

    def _let_go(self, seat: Seat) -> None:
        held = self._held[seat.gateway]
        held.discard(seat)
        if not held:
            del self._held[seat.gateway]

    async def describe(self, requests: Sequence[JoinRequest]) -> None:
        """See `Roster.describe`."""
        for request in requests:
            seat = request.seat
            if self._occupant(seat) == _Occupant(seat.gateway, request.user_id):
                self._rooms[seat.channel].infos[request.user_id] = request.info

    async def members(self, channels: Sequence[Channel]) -> list[Members]:
        """See `Roster.members`."""
        return [self._read(channel) for channel in channels]

    def _read(self, channel: Channel) -> Members:
        room = self._rooms.get(channel)
        return Members(room.version, dict(room.infos)) if room else Members(self._highest, {})

    async def sizes(self, channels: Sequence[Channel]) -> list[int]:
        """See `Roster.sizes`."""
        return [self.size(channel) for channel in channels]

    def size(self, channel: Channel) -> int:
        """Tell how many users a channel has."""
        room = self._rooms.get(channel)
        return len(room.infos) if room else 0

    async def seated(self, channels: Sequence[Channel]) -> list[Seated]:
        """See `Roster.seated`."""
        rooms = [self._rooms.get(channel) for channel in channels]
        return [
            Seated(room.since, len(room.occupants), dict(room.infos)) if room else Seated()
            for room in rooms
        ]

    async def online(self, app: str, *, prefix: str, after: str, limit: int) -> list[str]:
        """See `Roster.online`."""
        users = {online_user(channel) for channel in self._rooms if channel.app == app}
        named = [user for user in users if user and user.startswith(prefix)]
        ordered = sorted(named, key=str.encode)
        return [user for user in ordered if user.encode() > after.encode()][:limit]

    def clear(self, gateways: Sequence[str]) -> int:
        """See `MemoryHoldings.clear`."""
        now = self._clock()
        for gateway in gateways:
            self._leaving.update(dict.fromkeys(self._held.get(gateway, ()), now))
        over = due(self._leaving, now)[: self.SWEEP_LIMIT]
        for seat in over:
            self._rise(seat)
        return len(over)
