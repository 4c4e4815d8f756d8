"""
From the bus to the hub and on to `fanout`: follow channels, deliver, repair gaps.

One task takes deliveries in their order, so that whatever it awaits, the order of a channel is
kept.  Another, `position_check`, compares positions with the bus, which takes long where that is
away; what does not agree is repaired by the first.
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
    Typed,
    Whisper,
    event_frame,
)
from libs.common.bus.port import Bus, Listener
from libs.common.channels import Channel, Kind
from libs.common.errors import Unavailable
from libs.common.roster.port import Roster
from libs.common.telemetry.tracing.tracer import UNTRACED, Tracer
from services.gateway.channels.fanout import Broadcaster
from services.gateway.channels.hub import Disposition, Hub, Room, announcements
from services.gateway.channels.mirror import UNCHANGED, Diff
from services.gateway.channels.position_check import PositionCheck
from services.gateway.channels.subscription_counts import SubscriptionCounts
from services.gateway.connections.connection import Connection
from services.gateway.counters import Counters
from services.gateway.frame_log import FrameLog
from services.gateway.protocol import frames
from services.gateway.settings import GatewaySettings
from services.gateway.timers import TIMERS, Timers

log = structlog.get_logger()

REPAIR_LIMIT = 500  # Entries that one reading of the history asks for.

Batch = dict[Channel, list[Broadcast]]


class Feed:
    """
    Keeps the hub's rooms in step with the bus.

    Args:
        bus: Brings entries, transitions, whispers and counts.
        roster: Knows the members, which are read again after a gap.
        hub: Knows who is subscribed to what, and is kept in step.
        settings: How long an empty channel is followed, and how often positions are compared.
        counters: Where broadcasts, deliveries and gaps are counted.
        frames: Shows frames in the log, while an operator wants to see them.
        unseated: Set when the roster may have lost our members.
        tells_counts: Whether an app, given by its id, wants its subscribers told how many they are.
        user_changed: Told of each user's own channel to which somebody came, or from which somebody
            went.
        followed: Told of channels that are followed from now on.
        timers: How long it waits for deliveries before it looks after the rest.
        tracer: Makes spans of broadcasts that are watched.
    """

    def __init__(
        self,
        bus: Bus,
        roster: Roster,
        hub: Hub[Connection],
        *,
        settings: GatewaySettings,
        counters: Counters,
        frames: FrameLog | None = None,
        unseated: asyncio.Event,
        tells_counts: Callable[[str], bool],
        user_changed: Callable[[Channel], None],
        followed: Callable[[Collection[Channel]], None] = lambda _: None,
        timers: Timers = TIMERS,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._bus = bus
        self._roster = roster
        self._hub = hub
        self._settings = settings
        self._timers = timers
        self._counters = counters
        self._listener: Listener | None = None
        self._switching = asyncio.Lock()  # One change of what is followed at a time, in order.
        self._early: dict[Channel, list[Delivery]] = {}
        self._wanted: list[Collection[Channel]] = []
        self._next_look = time.monotonic()
        self._unseated = unseated
        self._tells_counts = tells_counts
        self._user_changed = user_changed
        self._followed = followed
        self._counts = SubscriptionCounts()
        self._broadcaster = Broadcaster(hub, counters, tracer, frames=frames)
        self._check = PositionCheck(
            bus, hub, interval=settings.position_check, unseated=unseated, timers=timers
        )

    @property
    def is_listening(self) -> bool:
        """Whether the bus was heard of since it was last in doubt."""
        return self._listener is not None and not self._check.is_in_doubt

    @asynccontextmanager
    async def following(self, channels: Collection[Channel]) -> AsyncIterator[set[Channel]]:
        """
        Follow channels that are not followed yet, and keep all of these while the context is open.

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
        if None not in map(self._hub.room, channels):  # They are kept, for they are wanted.
            return
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
                    self._followed(positions)
            finally:
                for channel in missing:
                    del self._early[channel]

    async def _recall(self, channels: Collection[Channel]) -> None:
        """Find out what newcomers to cache channels are sent."""
        unknown = {
            channel: room.position
            for channel in channels
            if (room := self._hub.room(channel)) is not None and not self._hub.is_ready(channel)
        }
        if unknown:
            with suppress(Unavailable):
                for channel, cached in (await self._bus.last(unknown)).items():
                    self._hub.remember(channel, cached, asked_at=unknown[channel])

    def _catch_up(self, channels: Iterable[Channel]) -> None:
        """Place what came while the channels were being followed: nobody is subscribed yet."""
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
            tasks.create_task(self._check.run())

    async def _deliver(self, listener: Listener) -> None:
        while True:
            await self._take(await listener.receive(self._timers.poll))
            for channel in self._check.behind():
                self._counters.mismatches += 1
                await self._repair(channel)
            await self._tell_counts()
            await self._unfollow_idle()

    async def _take(self, deliveries: Iterable[Delivery]) -> None:
        batch: Batch = {}
        for delivery in deliveries:
            if not self._place(delivery, batch):
                await self._broadcaster.fan_out(batch)
                batch = {}
                await self._mend(delivery)
        await self._broadcaster.fan_out(batch)

    def _place(self, delivery: Delivery, batch: Batch) -> bool:
        """Put into a batch what a delivery says; tell whether nothing is missing before it."""
        if isinstance(delivery, Interrupted):
            self._counters.interruptions += 1
            self._check.doubt(delivery.channels)
        elif self._early and (early := self._early.get(delivery.channel)) is not None:
            early.append(delivery)
        elif isinstance(delivery, Entry):
            return self._place_entry(delivery, batch)
        elif isinstance(delivery, Whisper):
            batch.setdefault(delivery.channel, []).append(delivery.broadcast)
        elif isinstance(delivery, Counted):
            self._take_count(delivery, batch)
        elif isinstance(delivery, Typed):
            self._take_list(delivery, batch)
        else:
            return self._place_transition(delivery, batch)
        return True

    def _place_entry(self, entry: Entry, batch: Batch) -> bool:
        verdict = self._hub.judge(entry)
        if verdict is Disposition.DELIVER:
            batch.setdefault(entry.channel, []).append(entry.broadcast)
        return verdict is not Disposition.REPAIR

    def _place_transition(self, transition: Transition, batch: Batch) -> bool:
        diff = self._hub.transition(transition)
        if diff is None:
            return False
        news = self._news(transition.channel, diff)
        if news:
            batch.setdefault(transition.channel, []).extend(news)
        return True

    async def _mend(self, delivery: Delivery) -> None:
        """Read what is missing before a delivery."""
        if isinstance(delivery, Entry):
            await self._repair(delivery.channel)
        elif isinstance(delivery, Transition):
            self._counters.member_gaps += 1
            await self._read_members(delivery.channel)

    def _news(self, channel: Channel, diff: Diff) -> list[Broadcast]:
        """Put into frames what changed; of users' own channels watchlists tell."""
        if channel.is_online:
            if diff != UNCHANGED:
                self._user_changed(channel)
            return []
        return announcements(channel.name, diff, now=time.time())

    def _take_count(self, counted: Counted, batch: Batch) -> None:
        channel, now = counted.channel, time.monotonic()
        if channel.is_presence or not self._tells_counts(channel.app):
            # What a dead gateway had counted is announced when it is taken off, in presence
            # channels too.
            return
        if self._counts.counted(channel, counted.total, now=now):
            batch.setdefault(channel, []).append(_count(channel, counted.total))

    def _take_list(self, typed: Typed, batch: Batch) -> None:
        frame = frames.typing(typed.channel.name, typed.count, typed.user_ids)
        if self._hub.list_told(typed.channel, frame):
            batch.setdefault(typed.channel, []).append(Broadcast(frame, time.time()))

    async def _tell_counts(self) -> None:
        """Tell large channels how large they are by now."""
        due = self._counts.due(now=time.monotonic())
        if due:
            await self._broadcaster.fan_out(
                {channel: [_count(channel, total)] for channel, total in due}
            )

    async def announce(self, channel: Channel, broadcasts: list[Broadcast]) -> None:
        """Fan out what no delivery brought: the difference that a snapshot showed."""
        await self._broadcaster.fan_out({channel: broadcasts})

    async def _repair(self, channel: Channel) -> None:
        """Read what is missing in a channel, and deliver it; announce what cannot be had."""
        room = self._hub.room(channel)
        if room is None:
            return
        self._counters.gaps += 1
        try:
            former = room.position
            while await self._read_on(room, former):
                pass
        except Unavailable:
            self._check.doubt()

    async def _read_on(self, room: Room[Connection], former: Position) -> bool:
        """
        Deliver the next part of a room's history; tell whether there is more.

        Args:
            room: The room that is repaired.
            former: Where the repair began.
        """
        history = await self._bus.history(room.channel, room.position, limit=REPAIR_LIMIT)
        if history.entries is None:
            known, top = room.position, history.top
            is_another = not known.leads_to(top.epoch)
            was_promised = room.last is not None and room.last.is_coming
            # Nothing of a new epoch was delivered here yet, so it is read from its beginning.  The
            # room moves on before subscribers are told: a newcomer meanwhile gets what the bus
            # keeps.
            self._hub.skip_to(room, Position(top.epoch, 0) if is_another else top)
            # Where a repair meets a second new epoch, subscribers have been told of this loss
            # already; unless newcomers were promised an event that is lost with it.
            if former.leads_to(known.epoch) or was_promised:
                await self._resync(room, "epoch" if is_another else "expired")
            return is_another
        if history.entries:
            self._hub.advance(room, history.entries[-1])
            await self._broadcaster.fan_out(
                {room.channel: [entry.broadcast for entry in history.entries]}
            )
        return room.position != history.top and bool(history.entries)

    async def _resync(self, room: Room[Connection], reason: str) -> None:
        """Tell a channel's subscribers that they missed something which is gone."""
        self._counters.gaps_unrepaired += 1
        if reason == "epoch":  # Where the bus lost its data, so may have the roster.
            self._unseated.set()
        log.warning(
            "gap.unrepaired", app=room.channel.app, channel=room.channel.name, reason=reason
        )
        # pusher-js tries to decrypt all that does not begin with pusher: (architecture.md, 7).
        encrypted = room.channel.kind is Kind.ENCRYPTED
        event = "pusher:fanfare-resync" if encrypted else "fanfare:resync"
        frame = event_frame(room.channel.name, event, f'{{"reason":"{reason}"}}')
        await self._broadcaster.fan_out({room.channel: [Broadcast(frame, time.time())]})

    async def _read_members(self, channel: Channel) -> None:
        known = self._hub.version(channel)
        try:
            (members,) = await self._roster.members([channel])
        except Unavailable:
            self._check.doubt()
            return
        if self._hub.room(channel) is not None:
            diff = self._hub.snapshot(channel, members, known=known)
            await self.announce(channel, self._news(channel, diff))

    async def _unfollow_idle(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + self._timers.poll
        # A follow may wait for the bus, and deliveries must not wait for it: idle channels can
        # wait.
        if self._switching.locked():
            return
        async with self._switching:
            idle = set(self._hub.idle(since=now - self._settings.linger)).difference(*self._wanted)
            if idle and self._listener is not None:
                for channel in idle:
                    self._hub.close(channel)
                await self._listener.unfollow(idle)


def _count(channel: Channel, total: int) -> Broadcast:
    return Broadcast(frames.subscription_count(channel.name, total), time.time())
