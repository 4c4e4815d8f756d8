"""
The bus: ordered channels with a short memory, shared by every process.

`Bus` is the port, `MemoryBus` its reference implementation for a single process; `bus_redis` is the other.
"""

import asyncio
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from libs.common.channels import Channel
from libs.common.messages import (
    Broadcast,
    Cached,
    Counted,
    Delivery,
    Entry,
    Interrupted,
    Position,
    Publication,
    Source,
    Transition,
    Whisper,
)

TOKEN_TTL = 3600.0  # Seconds for which a publication's token is remembered.
UNPUBLISHED_TTL = 600.0  # Seconds that a channel without entries keeps its epoch, once it is read.
TIDY_FROM = 1024  # Channels of a `MemoryBus` below which nothing is forgotten.


@dataclass(frozen=True, slots=True)
class Window:
    """
    How much of a channel the bus remembers: whichever bound is reached first ends it.

    Attributes:
        max_age: Seconds after the channel's last entry at which the whole history is forgotten.
        max_entries: Entries of one channel; up to 100 more may be kept.
        cache_ttl: Seconds for which a cache channel keeps its last entry, whatever the rest says.
    """

    max_age: float = 120.0
    max_entries: int = 2000
    cache_ttl: float = 1800.0


@dataclass(frozen=True, slots=True)
class History:
    """
    Entries read back from a channel.

    Attributes:
        top: The channel's present position.
        entries: What follows the position asked for, in order, without a hole; None where the history
            no longer reaches back to it, or the epoch is another.
    """

    top: Position
    entries: tuple[Entry, ...] | None


class Listener(Protocol):
    """
    One process's ear on the bus.

    For each followed channel it yields entries in order of offset; an entry may come twice, and one that is
    missing is told by the next offset or by `Interrupted`.  Whispers, transitions and counts come at most once.
    """

    async def follow(self, channels: Collection[Channel]) -> dict[Channel, Position]:
        """
        Hear these channels from now on.

        Returns:
            Of each, its position at an instant after hearing began: later entries will be received.  A channel
            whose part of the bus is away is missing here, and counts as not followed.

        Raises:
            Unavailable: The bus is away for all of them.  The channels count as not followed.
        """

    async def unfollow(self, channels: Collection[Channel]) -> None:
        """Stop hearing these channels; what is on its way may still be received."""

    async def receive(self, timeout: float) -> list[Delivery]:
        """
        Wait for deliveries, and take all that have arrived.

        Args:
            timeout: Seconds to wait for the first; an empty list when they are over.
        """


class Bus(Protocol):
    """
    Ordered channels with a short memory, shared by every process.

    A publish is appended and announced atomically.  A listener sees a channel's entries in order of offset;
    what it misses while it is cut off it can read again with `history`, until the channel's window has passed.
    """

    async def publish(self, publications: Sequence[Publication]) -> list[Position]:
        """
        Append broadcasts to their channels, in order, and announce them.

        A publication with a source that was applied before is not applied again; its answer is the
        channel's present position.  Nor is one with a token that its channel has seen within `TOKEN_TTL`.
        A publication has a source or a token, never both: the source alone would decide.  A cache channel
        keeps what was applied last, in the same step (`last`).

        Returns:
            The position of each.

        Raises:
            Unavailable: At least one was not applied.  Those of a source or with a token may all be published
                again; of one channel and source, none was applied whose predecessor of this call was not.
        """

    async def claim(self, app: str, token: str, digest: str) -> bool:
        """
        Let a token of an app stand for a request, for `TOKEN_TTL` seconds from the first time.

        Args:
            app: The app's id.
            token: What the publisher calls the request.
            digest: Of the request.

        Returns:
            Whether it stands for this one; False: it stands for another.

        Raises:
            Unavailable: The bus is away.
        """

    async def last(self, channels: Collection[Channel]) -> dict[Channel, Cached | None]:
        """
        Read what cache channels keep; None where nothing was published within the window's ``cache_ttl``.

        A channel whose part of the bus is away is missing in the answer.

        Raises:
            Unavailable: The bus is away for all of them.
        """

    async def whisper(self, channel: Channel, broadcast: Broadcast) -> None:
        """
        Announce a broadcast to who listens now; it enters no history.

        Raises:
            Unavailable: The bus is away.
        """

    async def history(self, channel: Channel, after: Position, *, limit: int) -> History:
        """
        Read entries again.

        Args:
            channel: Whose.
            after: The last position that the caller has.
            limit: The most entries to return; with more to read, those nearest to ``after``.

        Raises:
            Unavailable: The bus is away.
        """

    async def tops(self, channels: Collection[Channel]) -> dict[Channel, Position]:
        """
        Read the present positions of channels; one whose part of the bus is away is missing in the answer.

        Raises:
            Unavailable: The bus is away for all of them.
        """

    def listen(self) -> AbstractAsyncContextManager[Listener]:
        """Open an ear on the bus; leaving the context closes it."""


class Inbox:
    """
    What arrived for a listener and was not taken yet.

    Holds up to `limit` deliveries.  When it is full everything in it is dropped and `Interrupted` takes its
    place: the history repairs what was lost, and whoever fills it never waits.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: list[Delivery] = []
        self._arrived = asyncio.Event()

    def put(self, delivery: Delivery) -> None:
        """Add a delivery without waiting."""
        if len(self._waiting) >= self._limit:
            self._waiting = [Interrupted()]
        self._waiting.append(delivery)
        self._arrived.set()

    async def take(self, timeout: float) -> list[Delivery]:
        """Wait up to ``timeout`` seconds for a first delivery, and take all there are."""
        if not self._waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._arrived.wait()
        taken, self._waiting = self._waiting, []
        self._arrived.clear()
        return taken


@dataclass(slots=True)
class _Memory:
    """One channel's history."""

    entries: deque[Entry]
    epoch: str = field(default_factory=lambda: secrets.token_hex(4))
    offset: int = 0
    newest_at: float = 0.0
    watermarks: dict[str, tuple[int, float]] = field(default_factory=dict)
    cached: Entry | None = None

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.offset)

    def has_applied(self, source: Source) -> bool:
        sequence, timestamp = self.watermarks.get(source.name, (-1, 0.0))
        return source.sequence <= sequence and source.timestamp <= timestamp

    def applied(self, source: Source) -> None:
        _, timestamp = self.watermarks.get(source.name, (-1, 0.0))
        self.watermarks[source.name] = (source.sequence, max(timestamp, source.timestamp))


class MemoryBus:
    """
    A bus for one process.  See `Bus`.

    Args:
        window: How much of each channel is remembered.
        backlog: Deliveries that a listener may leave untaken; see `Inbox`.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        window: Window | None = None,
        *,
        backlog: int = 65_536,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._window = window or Window()
        self._backlog = backlog
        self._clock = clock
        self._channels: dict[Channel, _Memory] = {}
        self._tidy_at = TIDY_FROM
        self._tokens = OrderedDict[tuple[str, ...], tuple[float, str]]()  # Oldest first.
        self._listeners: dict[Channel, set[MemoryListener]] = {}

    async def publish(self, publications: Sequence[Publication]) -> list[Position]:
        """See `Bus.publish`."""
        return [self._append(publication) for publication in publications]

    def _append(self, publication: Publication) -> Position:
        channel = publication.channel
        memory = self._memory(channel)
        if self._is_repeated(publication, memory):
            return memory.position
        if publication.source:
            memory.applied(publication.source)
        memory.offset += 1
        memory.newest_at = self._clock()
        entry = Entry(channel, memory.position, publication.broadcast)
        memory.entries.append(entry)
        if channel.is_cache:
            memory.cached = entry
        self.announce(entry)
        return memory.position

    def _is_repeated(self, publication: Publication, memory: _Memory) -> bool:
        """Tell whether it was applied before in this life of the channel; notes its token if not."""
        if publication.source:
            return memory.has_applied(publication.source)
        token = (*publication.channel, memory.epoch, publication.token)
        return bool(publication.token) and self._recall(token, "") is not None

    async def claim(self, app: str, token: str, digest: str) -> bool:
        """See `Bus.claim`."""
        return self._recall((app, token), digest) in {None, digest}

    def _recall(self, token: tuple[str, ...], digest: str) -> str | None:
        """Return what a token stands for; None if it was not known, and is from now on."""
        now = self._clock()
        while self._tokens and next(iter(self._tokens.values()))[0] <= now:
            self._tokens.popitem(last=False)
        known = self._tokens.get(token)
        self._tokens.setdefault(token, (now + TOKEN_TTL, digest))
        return known and known[1]

    def _memory(self, channel: Channel) -> _Memory:
        memory = self._channels.get(channel)
        if memory is None:
            self._tidy()
            memory = self._channels[channel] = _Memory(deque(maxlen=self._window.max_entries))
        if memory.offset == 0:
            memory.newest_at = self._clock()
        if self._clock() - memory.newest_at > self._window.max_age:
            memory.entries.clear()
        return memory

    def _tidy(self) -> None:
        """Forget what only was listened to, and no longer is: anybody may listen to any name."""
        if len(self._channels) < self._tidy_at:
            return
        silent_since = self._clock() - UNPUBLISHED_TTL
        for channel, memory in list(self._channels.items()):
            is_old = memory.offset == 0 and memory.newest_at < silent_since
            if is_old and channel not in self._listeners:
                del self._channels[channel]
        self._tidy_at = max(TIDY_FROM, 2 * len(self._channels))

    async def last(self, channels: Collection[Channel]) -> dict[Channel, Cached | None]:
        """See `Bus.last`."""
        return {channel: self._kept(channel) for channel in channels}

    def _kept(self, channel: Channel) -> Cached | None:
        memory = self._channels.get(channel)
        if memory is None or memory.cached is None:
            return None
        ttl = memory.newest_at + self._window.cache_ttl - self._clock()
        return Cached(memory.cached, ttl) if ttl > 0 else None

    def announce(self, delivery: Entry | Whisper | Transition | Counted) -> None:
        """Hand a delivery to all who follow its channel; for the bus and the memory roster."""
        for listener in self._listeners.get(delivery.channel, ()):
            listener.inbox.put(delivery)

    async def whisper(self, channel: Channel, broadcast: Broadcast) -> None:
        """See `Bus.whisper`."""
        self.announce(Whisper(channel, broadcast))

    async def history(self, channel: Channel, after: Position, *, limit: int) -> History:
        """See `Bus.history`."""
        memory = self._memory(channel)
        missing = memory.offset - after.offset
        if after.epoch != memory.epoch or not 0 <= missing <= len(memory.entries):
            return History(memory.position, None)
        start = len(memory.entries) - missing
        return History(memory.position, tuple(islice(memory.entries, start, start + limit)))

    async def tops(self, channels: Collection[Channel]) -> dict[Channel, Position]:
        """See `Bus.tops`."""
        return {channel: self._memory(channel).position for channel in channels}

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Listener]:
        """See `Bus.listen`."""
        listener = MemoryListener(self, Inbox(self._backlog))
        try:
            yield listener
        finally:
            for channel in list(self._listeners):
                self.unfollow(channel, listener)

    def follow(self, channel: Channel, listener: "MemoryListener") -> Position:
        """Enter a listener for a channel."""
        self._listeners.setdefault(channel, set()).add(listener)
        return self._memory(channel).position

    def unfollow(self, channel: Channel, listener: "MemoryListener") -> None:
        """Take a listener off a channel."""
        followers = self._listeners.get(channel, set())
        followers.discard(listener)
        if not followers:
            self._listeners.pop(channel, None)


class MemoryListener:
    """A `Listener` of a `MemoryBus`."""

    def __init__(self, bus: MemoryBus, inbox: Inbox) -> None:
        self._bus = bus
        self.inbox = inbox

    async def follow(self, channels: Collection[Channel]) -> dict[Channel, Position]:
        """See `Listener.follow`."""
        return {channel: self._bus.follow(channel, self) for channel in channels}

    async def unfollow(self, channels: Collection[Channel]) -> None:
        """See `Listener.unfollow`."""
        for channel in channels:
            self._bus.unfollow(channel, self)

    async def receive(self, timeout: float) -> list[Delivery]:
        """See `Listener.receive`."""
        return await self.inbox.take(timeout)
