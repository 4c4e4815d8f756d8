"""A gateway as far as backends know it: a name with a lease, connections with seats, counts, and mirrors."""

import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from libs.common.bus.messages import Transition
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.leases.port import LeaseLost
from libs.common.roster.port import JoinAnswer, JoinRequest, Members, Seat
from libs.common.tally.port import Count, Outcome, Subject
from services.gateway.channels.mirror import Diff, Gap, Mirror
from tests.support.lifetimes.worlds import Process, World

Newcomer = tuple[Channel, str, str, int]  # Where to, who, with what info, how many there may be.


def _name() -> str:
    return f"g{secrets.token_hex(4)}"


@dataclass(slots=True, eq=False)
class Gateway:
    """
    One that does as `services.gateway` does, step by step.

    Attributes:
        world: Where it is.
        side: Through which of the world's processes it speaks.
        name: Under which its members are seated.
        held: Its members, by channel and socket id.
        counts: How many are subscribed to channels here.
        mirrors: Of the channels in which it has members.
        shown: Who its clients believe is there, by channel.
        queue: Announcements that it has not read.
        is_stopped: Whether it stands still.
        is_deaf: Whether it misses the next announcement.
        behind: Channels of which it missed something, and has not read the members since.
    """

    world: World
    side: int
    name: str = field(default_factory=_name)
    held: dict[tuple[Channel, str], JoinRequest] = field(default_factory=dict)
    counts: dict[Channel, int] = field(default_factory=dict)
    mirrors: dict[Channel, Mirror] = field(default_factory=dict)
    shown: dict[Channel, set[str]] = field(default_factory=dict)
    queue: deque[Transition] = field(default_factory=deque)
    is_stopped: bool = False
    is_deaf: bool = False
    behind: set[Channel] = field(default_factory=set)

    async def renew(self, *, ttl: float) -> bool | None:
        """Renew the lease; tell whether it had one, or None where it was cleared."""
        try:
            return await self._process.leases.renew(self.name, ttl=ttl)
        except LeaseLost:
            return None

    async def release(self) -> None:
        """End the lease."""
        await self._process.leases.release(self.name)

    async def join(self, requests: Sequence[JoinRequest]) -> list[JoinAnswer]:
        """Seat connections, and show the members to those that are seated."""
        channels = {request.seat.channel for request in requests}
        known = {channel: self._version(channel) for channel in channels}
        answers = await self._process.roster.join(requests)
        for request, answer in zip(requests, answers, strict=True):
            if isinstance(answer, Members):
                channel = request.seat.channel
                self.held[channel, request.seat.socket_id] = request
                self._take(channel, answer, known=known[channel])
        return answers

    async def leave(self, seats: Sequence[Seat], *, grace: float) -> None:
        """Give up seats."""
        await self._process.roster.leave(seats, grace=grace)

    async def report(
        self, name: str, channels: Sequence[Channel]
    ) -> list[tuple[int, Outcome | Unavailable]]:
        """Say under a name how many are subscribed to channels; return the numbers, and how they were taken."""
        counts = [
            Count(
                Subject("channel", channel.app, channel.name),
                self.counts.get(channel, 0),
                announced=not channel.is_presence,
            )
            for channel in channels
        ]
        answers = await self._process.tally.report(name, counts)
        return [(count.number, answer) for count, answer in zip(counts, answers, strict=True)]

    def drop(self, place: tuple[Channel, str]) -> None:
        """Lose a connection; a channel without any is followed no longer."""
        del self.held[place]
        channel, _ = place
        if all(each != channel for each, _ in self.held):
            self.mirrors.pop(channel, None)
            self.shown.pop(channel, None)
            self.behind.discard(channel)

    def asked(self, guests: Sequence[Newcomer], sockets: Sequence[str]) -> list[JoinRequest]:
        """Say how newcomers are seated, each with a connection of its own."""
        return [
            JoinRequest(Seat(channel, socket_id, self.name), user_id, info, limit)
            for (channel, user_id, info, limit), socket_id in zip(guests, sockets, strict=True)
        ]

    def requests(self) -> list[JoinRequest]:
        """Say how all connections are seated again, under the present name and without a limit."""
        return [
            replace(each, seat=replace(each.seat, gateway=self.name), limit=0)
            for each in self.held.values()
        ]

    def rename(self) -> None:
        """Take another name."""
        self.name = _name()

    async def catch_up(self) -> None:
        """Read what was announced, and the members where something is missing."""
        while self.queue:
            transition = self.queue.popleft()
            mirror = self.mirrors.get(transition.channel)
            if mirror is None:
                continue
            try:
                self._tell(transition.channel, mirror.apply(transition))
            except Gap:
                await self.read(transition.channel)

    async def read(self, channel: Channel) -> None:
        """Read the members of a channel anew."""
        known = self._version(channel)
        (members,) = await self._process.roster.members([channel])
        self._take(channel, members, known=known)

    def hear(self, transitions: Sequence[Transition]) -> None:
        """Take what was announced, to be read when it does not stand still."""
        missed = transitions[: int(self.is_deaf)]
        self.behind.update(each.channel for each in missed)
        self.is_deaf = self.is_deaf and not missed
        self.queue.extend(transitions[len(missed) :])

    def miss_all(self) -> None:
        """Lose what it has not read, as when its connection to the bus breaks."""
        self.queue.clear()
        self.behind.update(self.mirrors)

    def _take(self, channel: Channel, members: Members, *, known: int) -> None:
        self.behind.discard(channel)
        mirror = self.mirrors.get(channel)
        if mirror is not None:
            self._tell(channel, mirror.reconcile(members, known=known))
            return
        self.mirrors[channel] = Mirror(members)
        self.shown[channel] = set(members.infos)

    def _tell(self, channel: Channel, diff: Diff) -> None:
        """Tell the clients: nobody comes who is there, nobody goes who is not."""
        shown = self.shown[channel]
        assert shown.issuperset(diff.leaves), "one goes who is not there"
        shown.difference_update(diff.leaves)
        assert shown.isdisjoint(diff.joins), "one comes who is there"
        shown.update(diff.joins)

    def _version(self, channel: Channel) -> int:
        mirror = self.mirrors.get(channel)
        return mirror.version if mirror else 0

    @property
    def _process(self) -> Process:
        return self.world.processes[self.side]
