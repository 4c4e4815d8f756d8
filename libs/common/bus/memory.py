"""The bus of a single process: the reference implementation of `bus.port.Bus`."""

import secrets
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice

from libs.common.bus.inbox import Inbox
from libs.common.bus.messages import (
    ORIGIN,
    Broadcast,
    Cached,
    Counted,
    Delivery,
    Entry,
    Position,
    Publication,
    Source,
    Transition,
    Typed,
    Whisper,
)
from libs.common.bus.port import TOKEN_TTL, History, Listener
from libs.common.bus.settings import HistorySettings
from libs.common.channels import Channel


@dataclass(slots=True)
class _Memory:
    """One channel's history; its entries share its name."""

    channel: Channel
    entries: deque[Entry]
    epoch: str
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
        history: How much of each channel is remembered.
        backlog: Deliveries that a listener may leave untaken; see `Inbox`.
        clock: Monotonic seconds.

    Attributes:
        published: What became of publications: ``appended``, or ``repeated``, as they were known.
    """

    def __init__(
        self,
        history: HistorySettings | None = None,
        *,
        backlog: int = 65_536,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = history or HistorySettings()
        self._backlog = backlog
        self._clock = clock
        self._origin = secrets.token_hex(4) + ORIGIN
        self._channels: dict[Channel, _Memory] = {}  # Those that had entries.
        self._tokens = OrderedDict[tuple[str, ...], tuple[float, str]]()  # Oldest first.
        self._listeners: dict[Channel, set[MemoryListener]] = {}
        self.published = {"appended": 0, "repeated": 0}

    async def check(self) -> None:
        """See `Bus.check`: it is this process."""

    async def publish(self, publications: Sequence[Publication]) -> list[Position]:
        """See `Bus.publish`."""
        return [self._append(publication) for publication in publications]

    def _append(self, publication: Publication) -> Position:
        memory = self._memory(publication.channel) or self._begun(publication.channel)
        if self._is_repeated(publication, memory):
            self.published["repeated"] += 1
            return memory.position
        self.published["appended"] += 1
        if publication.source:
            memory.applied(publication.source)
        memory.offset += 1
        memory.newest_at = self._clock()
        channel, position = memory.channel, memory.position
        entry = Entry(channel, position, publication.broadcast)
        memory.entries.append(entry)
        if channel.is_cache:
            memory.cached = entry
        self.announce(entry)
        return position

    def _is_repeated(self, publication: Publication, memory: _Memory) -> bool:
        """Tell whether it was applied before in this life of the channel; else note its token."""
        if publication.source:
            return memory.has_applied(publication.source)
        if not publication.token:
            return False
        token = (*publication.channel, memory.epoch, publication.token)
        return self._recall(token, "") is not None

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

    def _begun(self, channel: Channel) -> _Memory:
        entries = deque[Entry](maxlen=self._settings.max_entries)
        memory = _Memory(channel, entries, self._origin + secrets.token_hex(4))
        self._channels[channel] = memory
        return memory

    def _memory(self, channel: Channel) -> _Memory | None:
        memory = self._channels.get(channel)
        if memory and self._clock() - memory.newest_at > self._settings.max_age:
            memory.entries.clear()
        return memory

    def _position(self, channel: Channel) -> Position:
        memory = self._channels.get(channel)
        return memory.position if memory else Position(self._origin, 0)

    async def last(self, channels: Collection[Channel]) -> dict[Channel, Cached | None]:
        """See `Bus.last`."""
        return {channel: self._kept(channel) for channel in channels}

    def _kept(self, channel: Channel) -> Cached | None:
        memory = self._channels.get(channel)
        if memory is None or memory.cached is None:
            return None
        ttl = memory.newest_at + self._settings.cache_ttl - self._clock()
        return Cached(memory.cached, ttl) if ttl > 0 else None

    def announce(self, delivery: Entry | Whisper | Transition | Counted | Typed) -> None:
        """Hand a delivery to all who follow its channel; for the bus and what announces on it."""
        for listener in self._listeners.get(delivery.channel, ()):
            listener.inbox.put(delivery)

    async def whisper(self, channel: Channel, broadcast: Broadcast) -> None:
        """See `Bus.whisper`."""
        self.announce(Whisper(channel, broadcast))

    async def history(self, channel: Channel, after: Position, *, limit: int) -> History:
        """See `Bus.history`."""
        memory, top = self._memory(channel), self._position(channel)
        entries = memory.entries if memory else ()
        missing = top.offset - after.offset
        if not after.leads_to(top.epoch) or not 0 <= missing <= len(entries):
            return History(top, None)
        start = len(entries) - missing
        return History(top, tuple(islice(entries, start, start + limit)))

    async def tops(self, channels: Collection[Channel]) -> dict[Channel, Position]:
        """See `Bus.tops`."""
        return {channel: self._position(channel) for channel in channels}

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
        return self._position(channel)

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
