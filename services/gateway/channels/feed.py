"""
From the bus to the hub and on to sockets: follow what somebody here is subscribed to, fan out, repair gaps.

One task takes deliveries in their order, so that whatever it awaits, the order of a channel is kept.  Another
compares positions with the bus, which takes long where that is away, and hands over what does not agree.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress

import structlog

from libs.common.bus.messages import (
    Broadcast,
    Counted,
    Delivery,
    Entry,
    Interrupted,
    Position,
    Transition,
    Whisper,
    event_frame,
)
from libs.common.bus.port import Bus, Listener
from libs.common.channels import Channel, Kind
from libs.common.errors import Unavailable
from libs.common.retry import Backoff
from libs.common.roster.port import Roster
from services.gateway.channels.hub import Disposition, Fanout, Hub, Room, announcements
from services.gateway.channels.subscription_counts import SubscriptionCounts
from services.gateway.connections import socket
from services.gateway.connections.connection import Connection
from services.gateway.counters import Counters
from services.gateway.protocol import frames
from services.gateway.settings import GatewaySettings

log = structlog.get_logger()

POLL = 1.0  # Seconds that the loop waits for deliveries before it looks after the rest.
SLICE = 256  # Subscribers that are written to before others get a turn.
JOINED_BYTES = (
    65_536  # Frames are joined up to this size, so that a write stays small beside its bound.
)
REPAIR_LIMIT = 500  # Entries that one reading of the history asks for.
CHECK_BATCH = 512  # Channels whose positions are compared in one round trip.

Batch = dict[Channel, list[Broadcast]]


class Feed:
    """
    Keeps the hub's rooms in step with the bus.

    Args:
        bus: Where entries come from.
        roster: Where members are read again after a gap.
        hub: Who is subscribed to what.
        settings: Timers.
        counters: What is counted.
        unseated: Set when the roster may have lost our members.
        tells_counts: Whether an app, given by its id, wants its subscribers told how many they are.
    """

    def __init__(
        self,
        bus: Bus,
        roster: Roster,
        hub: Hub[Connection],
        *,
        settings: GatewaySettings,
        counters: Counters,
        unseated: asyncio.Event,
        tells_counts: Callable[[str], bool],
    ) -> None:
        self._bus = bus
        self._roster = roster
        self._hub = hub
        self._settings = settings
        self._counters = counters
        self._listener: Listener | None = None
        self._switching = asyncio.Lock()  # One change of what is followed at a time, in order.
        self._writing = asyncio.Lock()  # One fan-out at a time, in order.
        self._early: dict[Channel, list[Delivery]] = {}
        self._wanted: list[Collection[Channel]] = []
        self._doubts = 0  # Reasons to compare all positions.
        # Where positions did not agree: what was reached here, and what the bus has.
        self._tops: dict[Channel, tuple[Position, Position]] = {}
        self._next_look = time.monotonic()
        self._next_check = self._next_look + settings.position_check
        self._unseated = unseated
        self._tells_counts = tells_counts
        self._counts = SubscriptionCounts()

    @property
    def is_listening(self) -> bool:
        """Whether the bus was heard of since it was last in doubt."""
        return self._listener is not None and not self._doubts

    @asynccontextmanager
    async def following(self, channels: Collection[Channel]) -> AsyncIterator[set[Channel]]:
        """
        Open rooms for channels that are not followed yet, and close none of these while the context is open.

        Yields those that are ready: all but the ones for which the bus is away.
        """
        self._wanted.append(channels)
        try:
            await self._follow(channels)
            await self._recall(channels)
            yield {channel for channel in channels if self._hub.is_ready(channel)}
        finally:
            self._wanted.remove(channels)

    async def _follow(self, channels: Collection[Channel]) -> None:
        async with self._switching:
            missing = [channel for channel in channels if self._hub.room(channel) is None]
            if not missing or self._listener is None:
                return
            self._early.update((channel, []) for channel in missing)
            try:
                with suppress(Unavailable):
                    positions = await self._listener.follow(missing)
                    for channel, position in positions.items():
                        self._hub.open(channel, position, now=time.monotonic())
                    self._catch_up(positions)
            finally:
                for channel in missing:
                    del self._early[channel]

    async def _recall(self, channels: Collection[Channel]) -> None:
        """Find out what newcomers to cache channels are sent."""
        rooms = [room for room in map(self._hub.room, channels) if room is not None]
        unknown = {
            room.channel: room.position for room in rooms if not self._hub.is_ready(room.channel)
        }
        if unknown:
            with suppress(Unavailable):
                for channel, cached in (await self._bus.last(unknown)).items():
                    self._hub.remember(channel, cached, asked_at=unknown[channel])

    def _catch_up(self, channels: Iterable[Channel]) -> None:
        """Place what came while the channels were being followed; nobody is subscribed to them yet."""
        for channel in channels:
            for delivery in self._early[channel]:
                if isinstance(delivery, Entry):
                    self._hub.judge(delivery)
                elif isinstance(delivery, Transition):
                    self._hub.transition(delivery)

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with self._bus.listen() as self._listener, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._deliver(self._listener))
            tasks.create_task(self._keep_checking())

    async def _deliver(self, listener: Listener) -> None:
        while True:
            await self._take(await listener.receive(POLL))
            await self._catch_up_with_tops()
            await self._tell_counts()
            await self._unfollow_idle()

    async def _take(self, deliveries: Iterable[Delivery]) -> None:
        batch: Batch = {}
        for delivery in deliveries:
            if isinstance(delivery, Interrupted):
                self._doubts += 1
            elif (early := self._early.get(delivery.channel)) is not None:
                early.append(delivery)
            elif isinstance(delivery, Whisper):
                batch.setdefault(delivery.channel, []).append(delivery.broadcast)
            elif isinstance(delivery, Entry):
                batch = await self._take_entry(delivery, batch)
            elif isinstance(delivery, Counted):
                self._take_count(delivery, batch)
            else:
                batch = await self._take_transition(delivery, batch)
        await self._fan_out(batch)

    async def _take_entry(self, entry: Entry, batch: Batch) -> Batch:
        verdict = self._hub.judge(entry)
        if verdict is Disposition.REPAIR:
            await self._fan_out(batch)
            await self._repair(entry.channel)
            return {}
        if verdict is Disposition.DELIVER:
            batch.setdefault(entry.channel, []).append(entry.broadcast)
        return batch

    async def _take_transition(self, transition: Transition, batch: Batch) -> Batch:
        diff = self._hub.transition(transition)
        if diff is None:
            await self._fan_out(batch)
            await self._read_members(transition.channel)
            return {}
        news = announcements(transition.channel.name, diff, now=time.time())
        if news:
            batch.setdefault(transition.channel, []).extend(news)
        return batch

    def _take_count(self, counted: Counted, batch: Batch) -> None:
        channel, now = counted.channel, time.monotonic()
        if channel.is_presence or not self._tells_counts(channel.app):
            return  # What a dead gateway counted is taken off aloud, wherever it was.
        if self._counts.counted(channel, counted.total, now=now):
            batch.setdefault(channel, []).append(_count(channel, counted.total))

    async def _tell_counts(self) -> None:
        """Tell large channels how large they are by now."""
        due = self._counts.due(now=time.monotonic())
        await self._fan_out({channel: [_count(channel, total)] for channel, total in due})

    async def announce(self, channel: Channel, broadcasts: list[Broadcast]) -> None:
        """Fan out what no delivery brought: the difference that a snapshot showed."""
        await self._fan_out({channel: broadcasts})

    async def _fan_out(self, batch: Batch) -> None:
        # All recipients are named before the first await: who comes later has not missed these.
        fanouts = [self._hub.fanout(channel, broadcasts) for channel, broadcasts in batch.items()]
        async with self._writing:
            for fanout in fanouts:
                if fanout is not None:
                    await self._write(fanout)

    async def _write(self, fanout: Fanout[Connection]) -> None:
        self._counters.broadcasts += len(fanout.broadcasts)
        self._counters.deliveries += len(fanout.broadcasts) * len(fanout.subscribers)
        excluded = fanout.excluded()
        for subscriber, broadcasts in excluded.items():
            for data in _runs(broadcasts):
                subscriber.socket.write(data)
        shared = _runs(fanout.broadcasts)
        sockets = [each.socket for each in fanout.subscribers if each not in excluded]
        for start in range(0, len(sockets), SLICE):
            if start:
                await asyncio.sleep(0)
            for data in shared:
                socket.write_all(sockets[start : start + SLICE], data)

    async def _repair(self, channel: Channel) -> None:
        """Read what is missing in a channel, and deliver it; announce what cannot be had."""
        room = self._hub.room(channel)
        if room is None:
            return
        self._counters.gaps += 1
        try:
            former = room.position.epoch
            while await self._read_on(room, former):
                pass
        except Unavailable:
            self._doubts += 1

    async def _read_on(self, room: Room[Connection], former: str) -> bool:
        """
        Deliver the next part of a room's history; tell whether there is more.

        Args:
            room: Whose.
            former: The epoch in which its repair began.
        """
        history = await self._bus.history(room.channel, room.position, limit=REPAIR_LIMIT)
        if history.entries is None:
            known, top = room.position.epoch, history.top
            is_another = top.epoch != known
            was_promised = room.last is not None and room.last.is_coming
            # Of another life of the history nobody here has heard anything yet: it is read from its beginning.
            # This comes first, so that who comes while the others are told gets what the bus keeps.
            self._hub.skip_to(room, Position(top.epoch, 0) if is_another else top)
            if known == former or was_promised:  # Otherwise they were told of this loss already.
                await self._resync(room, "epoch" if is_another else "expired")
            return is_another
        if history.entries:
            self._hub.advance(room, history.entries[-1])
            await self._fan_out({room.channel: [entry.broadcast for entry in history.entries]})
        return room.position != history.top and bool(history.entries)

    async def _resync(self, room: Room[Connection], reason: str) -> None:
        """Tell a channel's subscribers that they missed something which is gone."""
        self._counters.gaps_unrepaired += 1
        if reason == "epoch":  # Where the bus lost its data, so may have the roster.
            self._unseated.set()
        log.warning("gap.unrepaired", app=room.channel.app, channel=room.channel.name, why=reason)
        # pusher-js tries to decrypt all that does not begin with pusher: (architecture.md, 7).
        encrypted = room.channel.kind is Kind.ENCRYPTED
        event = "pusher:fanfare-resync" if encrypted else "fanfare:resync"
        frame = event_frame(room.channel.name, event, f'{{"reason":"{reason}"}}')
        await self._fan_out({room.channel: [Broadcast(frame, time.time())]})

    async def _read_members(self, channel: Channel) -> None:
        known = self._hub.version(channel)
        try:
            (members,) = await self._roster.members([channel])
        except Unavailable:
            self._doubts += 1
            return
        if self._hub.room(channel) is not None:
            diff = self._hub.snapshot(channel, members, known=known)
            await self.announce(channel, announcements(channel.name, diff, now=time.time()))

    async def _unfollow_idle(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + POLL
        if self._switching.locked():  # Deliveries do not wait for a follow; there is a next time.
            return
        async with self._switching:
            idle = set(self._hub.idle(since=now - self._settings.linger)).difference(*self._wanted)
            if idle and self._listener is not None:
                for channel in idle:
                    self._hub.close(channel)
                await self._listener.unfollow(idle)

    async def _keep_checking(self) -> None:
        backoff = Backoff()
        while True:
            await asyncio.sleep(POLL)
            doubts, now = self._doubts, time.monotonic()
            if not doubts and now < self._next_check:
                continue
            self._next_check = now + self._settings.position_check
            if await self._check(everything=doubts > 0):
                self._doubts -= doubts
                backoff.reset()
            else:
                self._doubts += 1
                await asyncio.sleep(backoff.delay())

    async def _check(self, *, everything: bool) -> bool:
        """Compare positions with the bus, so that also a lost last entry is found; tell whether all could be."""
        rooms = [room for room in self._hub.rooms() if everything or not room.active]
        for room in self._hub.rooms():
            room.active = False
        answers = [
            await self._compare(rooms[start : start + CHECK_BATCH])
            for start in range(0, len(rooms), CHECK_BATCH)
        ]
        if everything and all(answers):
            self._unseated.set()
        return all(answers)

    async def _compare(self, rooms: list[Room[Connection]]) -> bool:
        known = {room.channel: room.position for room in rooms}
        try:
            tops = await self._bus.tops(known)
        except Unavailable:
            return False
        for channel, top in tops.items():
            if top != known[channel]:
                self._tops[channel] = known[channel], top
        return len(tops) == len(known)

    async def _catch_up_with_tops(self) -> None:
        """Repair the channels whose positions did not agree, unless deliveries have brought them there since."""
        tops, self._tops = self._tops, {}
        for channel, (known, top) in tops.items():
            room = self._hub.room(channel)
            if room is None:
                continue
            reached = room.position
            is_there = reached.epoch == top.epoch and reached.offset >= top.offset
            if reached == known or not is_there:
                await self._repair(channel)


def _count(channel: Channel, total: int) -> Broadcast:
    return Broadcast(frames.subscription_count(channel.name, total), time.time())


def _runs(broadcasts: Iterable[Broadcast]) -> list[bytes]:
    """Join frames into writes of a bounded size."""
    runs: list[bytes] = []
    waiting: list[bytes] = []
    size = 0
    for broadcast in broadcasts:
        waiting.append(broadcast.frame)
        size += len(broadcast.frame)
        if size >= JOINED_BYTES:
            runs.append(socket.join(waiting))
            waiting, size = [], 0
    if waiting:
        runs.append(socket.join(waiting))
    return runs
