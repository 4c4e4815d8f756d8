"""
Who should be where: what leases, rosters and tallies promise, in plain dicts and sets, for models to agree with.

Pure.  One `Truth` is one partition: leases, the seats and counts that they keep, and what is recorded of them.
Instants are seconds; a test moves `now`.
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
Place = tuple[str, str, str]  # What is there or not: a channel, a member of it, a user, a count.
PRESENT: frozenset[Kind] = frozenset({"channel_occupied", "member_added", "user_online"})


def place_of(fact: Told) -> Place:
    """Tell of what a fact says whether it is there."""
    kind, channel, user = fact
    return kind.partition("_")[0], channel, user


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
        numbers: Of each channel, gateway to how many it has counted there.
        changes: What is to be announced, in order.
        counts: What is to be announced of numbers, in order.
        facts: What is to be recorded, in order.
    """

    now: float = 0.0
    seats: dict[tuple[Channel, str], Sitting] = field(default_factory=dict)
    infos: dict[Channel, dict[str, str]] = field(default_factory=dict)
    numbers: dict[Channel, dict[str, int]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    counts: list[tuple[Channel, int]] = field(default_factory=list)
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

    def total(self, channel: Channel) -> int:
        """Tell how many are counted in a channel."""
        return sum(self.numbers.get(channel, {}).values())

    def places(self) -> set[Place]:
        """Tell which channels have subscriptions, who is in which of them, and who is online."""
        occupied = {channel.name for channel, numbers in self.numbers.items() if numbers}
        members = {
            (channel.name, user)
            for channel, infos in self.infos.items()
            for user in infos
            if not online_user(channel)
        }
        return {
            *(("channel", name, "") for name in occupied),
            *(("member", name, user) for name, user in members),
            *(("user", "", user) for user in self.online()),
        }

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

    def report(self, gateway: str, channel: Channel, number: int) -> type[LeaseLost] | None:
        """Say how many a gateway has in a channel; tell why that is not taken, if it is not."""
        if gateway in self._cleared:
            return LeaseLost
        if number:
            self._leases.setdefault(gateway, 0)
        self._count(gateway, channel, number, is_told=not channel.is_presence)
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
        """Take away all that is due; tell how many seats and counts that were."""
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
        uncounted = [
            (gateway, channel)
            for channel, numbers in self.numbers.items()
            for gateway in numbers.keys() & self._cleared.keys()
        ]
        for gateway, channel in uncounted:
            self._count(gateway, channel, 0, is_told=True)
        return len(due) + len(uncounted)

    def lose(self) -> None:
        """Forget all, unannounced."""
        kept = self.seats, self.infos, self.numbers, self._leases, self._lapsed, self._cleared
        for each in kept:
            each.clear()

    def _count(self, gateway: str, channel: Channel, number: int, *, is_told: bool) -> None:
        before, numbers = self.total(channel), self.numbers.setdefault(channel, {})
        if numbers.get(gateway, 0) == number:
            return
        numbers[gateway] = number
        if not number:
            del numbers[gateway]
        after = self.total(channel)
        if not before:
            self.facts.append(("channel_occupied", channel.name, ""))
        elif not after:
            self.facts.append(("channel_vacated", channel.name, ""))
        if is_told:
            self.counts.append((channel, after))
            if not channel.is_presence:
                self.facts.append(("subscription_count", channel.name, ""))

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
