"""
Who should be where: what leases and rosters promise, in plain dicts and sets, for models to agree with.

Pure.  One `Truth` is one partition: leases, the seats that they keep, and what is recorded of it.  Instants are
seconds; a test moves `now`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from libs.common.channels import Channel, online_user
from libs.common.leases.port import CLEARED_FOR, LeaseLost
from libs.common.lifecycle.facts import Kind
from libs.common.roster.port import JoinRequest, Seat, TooManyMembers

Change = tuple[Channel, str, str | None]  # Who came, with info, or went, without.
Told = tuple[Kind, str, str]  # What became so, of which channel, of which user.


@dataclass(slots=True)
class Sitting:
    """
    Who sits on a seat.

    Attributes:
        gateway: Whose lease keeps the seat.
        user_id: Who is a member by it.
        over_at: When its grace is over; infinity: it is not leaving.
    """

    gateway: str
    user_id: str
    over_at: float = math.inf


@dataclass(slots=True)
class Truth:
    """
    A partition as it should be.

    Attributes:
        now: The present instant.
        seats: By channel and socket id.
        infos: Of each channel, user id to the info that the first connection gave.
        changes: What is to be announced, in order.
        facts: What is to be recorded, in order.
    """

    now: float = 0.0
    seats: dict[tuple[Channel, str], Sitting] = field(default_factory=dict)
    infos: dict[Channel, dict[str, str]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    facts: list[Told] = field(default_factory=list)
    _leases: dict[str, float] = field(default_factory=dict)
    _lapsed: dict[str, float] = field(default_factory=dict)
    _cleared: dict[str, float] = field(default_factory=dict)

    def members(self, channel: Channel) -> dict[str, str]:
        """Tell who is in a channel, with what info."""
        return self.infos.get(channel, {})

    def connections(self, channel: Channel) -> int:
        """Tell how many seats of a channel are taken."""
        return sum(each == channel for each, _ in self.seats)

    def online(self) -> list[str]:
        """Tell which users have a device in their own channel."""
        return [
            online_user(each) for each, infos in self.infos.items() if infos and online_user(each)
        ]

    def renew(self, gateway: str, *, ttl: float) -> bool | None:
        """Take a lease; tell whether there was one, or None where the gateway was cleared."""
        if gateway in self._cleared:
            return None
        had = self._leases.get(gateway, 0) > 0
        self._lapsed.pop(gateway, None)
        self._leases[gateway] = self.now + ttl
        return had

    def release(self, gateway: str) -> None:
        """End a lease."""
        if self._leases.pop(gateway, None) is not None:
            self._lapsed.setdefault(gateway, self.now)

    def join(self, request: JoinRequest) -> type[LeaseLost | TooManyMembers] | None:
        """Seat a connection; tell why not, if it is not."""
        seat, user_id = request.seat, request.user_id
        if seat.gateway in self._cleared:
            return LeaseLost
        self._leases.setdefault(seat.gateway, 0)
        place = seat.channel, seat.socket_id
        if (former := self.seats.get(place)) is not None and former.user_id != user_id:
            self._vacate(place)
        members = self.members(seat.channel)
        if 0 < request.limit <= len(members) and user_id not in members:
            return TooManyMembers
        self.seats[place] = Sitting(seat.gateway, user_id)
        if user_id not in members:
            self.infos.setdefault(seat.channel, {})[user_id] = request.info
            self._came(seat.channel, user_id, request.info)
        return None

    def leave(self, seats: Sequence[Seat], *, grace: float) -> None:
        """Give up seats, those that are still held by the gateway that says so."""
        for seat in seats:
            place = seat.channel, seat.socket_id
            sitting = self.seats.get(place)
            if sitting is None or sitting.gateway != seat.gateway:
                continue
            if grace <= 0:
                self._vacate(place)
            elif sitting.over_at == math.inf:  # Who says it twice gains no time.
                sitting.over_at = self.now + grace

    def sweep(self, *, grace: float) -> int:
        """Take away all that is due; tell how many seats that were."""
        for gateway in [each for each, at in self._leases.items() if at <= self.now]:
            del self._leases[gateway]
            self._lapsed.setdefault(gateway, self.now)
        for gateway in [each for each, at in self._cleared.items() if at <= self.now - CLEARED_FOR]:
            del self._cleared[gateway]
        for gateway in [each for each, at in self._lapsed.items() if at <= self.now - grace]:
            del self._lapsed[gateway]
            self._cleared[gateway] = self.now
        due = [
            place
            for place, one in self.seats.items()
            if one.gateway in self._cleared or one.over_at <= self.now
        ]
        for place in due:
            self._vacate(place)
        return len(due)

    def lose(self) -> None:
        """Forget all, unannounced."""
        for each in (self.seats, self.infos, self._leases, self._lapsed, self._cleared):
            each.clear()

    def _vacate(self, place: tuple[Channel, str]) -> None:
        channel, _ = place
        user_id = self.seats.pop(place).user_id
        if all(
            where != channel or one.user_id != user_id for (where, _), one in self.seats.items()
        ):
            del self.infos[channel][user_id]
            self._went(channel, user_id)

    def _came(self, channel: Channel, user_id: str, info: str) -> None:
        self.changes.append((channel, user_id, info))
        owner = online_user(channel)
        if not owner:
            self.facts.append(("member_added", channel.name, user_id))
        elif len(self.infos[channel]) == 1:
            self.facts.append(("user_online", "", owner))

    def _went(self, channel: Channel, user_id: str) -> None:
        self.changes.append((channel, user_id, None))
        owner = online_user(channel)
        if not owner:
            self.facts.append(("member_removed", channel.name, user_id))
        elif not self.infos[channel]:
            self.facts.append(("user_offline", "", owner))
