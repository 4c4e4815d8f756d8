"""
The bus on Redis.

A channel's history is a stream, and its epoch, offset and sources are a hash beside it, which is
made with its first entry; ``publish.lua`` writes them, and ``history.lua`` reads them.  Channels
without entries have the origin of their partition for a position (`Position`): one key, whatever is
asked.  The first script also sets what ``last.lua`` reads, the last entry of a cache channel, and a
key for each token.  Publishing is one pipeline per server, which publishes that arrive together
share.  Listeners are in `bus.listening`, and what is said on the feeds in `bus.wire`.
"""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from libs.common.bus.inbox import Inbox
from libs.common.bus.listening.classic import ClassicListener
from libs.common.bus.listening.following import Following
from libs.common.bus.listening.sharded import ShardedListener
from libs.common.bus.listening.watch import HearingWatch
from libs.common.bus.messages import (
    ORIGIN,
    Broadcast,
    Cached,
    Entry,
    Position,
    Publication,
    Source,
    pack,
    unpack,
)
from libs.common.bus.port import TOKEN_TTL, History, Listener
from libs.common.bus.settings import HistorySettings
from libs.common.bus.wire import encode_whisper
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.redis.commands import Word
from libs.common.redis.connection import RedisConnection, raise_first
from libs.common.redis.keys import Keys
from libs.common.redis.pubsub.ways import Pubsub
from libs.common.redis.scripts import Call, Script, milliseconds
from libs.common.redis.unreadable import SpoiltKey, note_passed

# Milliseconds.  Far above any history's age: with it go epoch and sources.
META_TTL = 30 * 86_400_000
NAMED = 4096  # Channels whose keys are at hand.
NO_ENTRIES = -1  # An offset after which nothing is read.
PROBE_INTERVAL = 30.0  # Seconds of silence after which a listener asks whether it still hears.

_NOTHING: tuple[Sequence[str], Sequence[Word]] = ((), ())

_HERE = Path(__file__).parent
_PUBLISH = Script.read(_HERE / "publish.lua")
_HISTORY = Script.read(_HERE / "history.lua")
_ORIGIN = Script.read(_HERE / "origin.lua")
_LAST = Script.read(_HERE / "last.lua")

log = structlog.get_logger()


class PredecessorMissing(Exception):
    """A publication was held back: the one before it of its channel and source was not applied."""


class _Reading(NamedTuple):
    """What ``history.lua`` replies; without an epoch there is no origin yet."""

    epoch: bytes | None
    offset: int = 0
    items: Sequence[Any] = ()
    ttl: int = 0

    @property
    def position(self) -> Position:
        return Position(_text(self.epoch or b""), self.offset)

    @property
    def is_old(self) -> bool:
        return self.offset > 0 and self.ttl < META_TTL / 2


class RedisBus:
    """
    A bus for many processes.  See `Bus`.

    Args:
        connection: To Redis; the caller opens and closes it.
        keys: The deployment's names.
        history: How much of each channel is remembered.
        backlog: Deliveries that a listener may leave untaken; see `Inbox`.
        probe_interval: Seconds of silence after which a listener asks whether it still hears.
        pubsub: How is announced and heard; other ways than the classic need a cluster.

    Attributes:
        published: What became of publications: ``appended``, or ``repeated``, as they were known.
    """

    def __init__(
        self,
        connection: RedisConnection,
        keys: Keys,
        history: HistorySettings | None = None,
        *,
        backlog: int = 65_536,
        probe_interval: float = PROBE_INTERVAL,
        pubsub: Pubsub = Pubsub.CLASSIC,
    ) -> None:
        self._redis = connection
        self._keys = keys
        self._settings = history or HistorySettings()
        max_age = milliseconds(self._settings.max_age)
        self._bounds: Sequence[Word] = (self._settings.max_entries, max_age, META_TTL)
        self._lives = _new_lives()
        self._names = lru_cache(maxsize=NAMED)(partial(keys.several, ("meta", "history", "feed")))
        self._backlog = backlog
        self._probe_interval = probe_interval
        self._pubsub = pubsub
        self._publish = _PUBLISH.announcing(pubsub)
        self._listeners = itertools.count(1)
        self.published = {"appended": 0, "repeated": 0}

    async def check(self) -> None:
        """See `Bus.check`."""
        await self._redis.check(self._keys.probes("bus"))

    async def publish(self, publications: Sequence[Publication]) -> list[Position]:
        """See `Bus.publish`."""
        latest: dict[tuple[Channel, str], Source] = {}
        calls = []
        for publication in publications:
            source, before = publication.source, None
            if source:
                key = publication.channel, source.name
                before, latest[key] = latest.get(key), source
            calls.append(self._append(publication, before))
        positions = _positions(replies := await self._ask(calls, shared=True))
        appended = sum(state for state, *_ in replies)
        self.published["appended"] += appended
        self.published["repeated"] += len(replies) - appended
        return positions

    async def _ask(self, calls: Sequence[Call], *, shared: bool = False) -> list[Any]:
        """Ask, and again where what stands there cannot be worked on: such channels begin anew."""
        replies = await self._redis.ask_all(calls, shared=shared)
        strange = [at for at, reply in enumerate(replies) if isinstance(reply, SpoiltKey)]
        if strange:
            again = [calls[at] for at in strange]
            await self._redis.ask_all([Call(each.key, ("UNLINK", *each.keys)) for each in again])
            for at, reply in zip(strange, await self._redis.ask_all(again), strict=True):
                replies[at] = reply
        return replies

    def _append(self, publication: Publication, before: Source | None) -> Call:
        channel, source = publication.channel, publication.source
        meta, history, feed = self._names(channel)
        needs_more = publication.token or channel.is_cache
        further, ttls = self._further(publication) if needs_more else _NOTHING
        marks = _marks(source, before) if source or ttls else ()
        return self._publish.call(
            (meta, history, *further),
            pack(publication.broadcast),
            feed,
            next(self._lives),
            *self._bounds,
            *marks,
            *ttls,
        )

    def _further(self, publication: Publication) -> tuple[Sequence[str], Sequence[Word]]:
        """Name the keys that only cache channels and tokens need, and their times to live."""
        channel, token = publication.channel, "" if publication.source else publication.token
        is_cache = channel.is_cache
        keys = [self._keys.of("cache", channel)] if is_cache else []
        if token:
            keys.append(f"{self._keys.of('token', channel)}:{_digest(token)}")
        return keys, (
            milliseconds(self._settings.cache_ttl) if is_cache else "",
            milliseconds(TOKEN_TTL) if token else "",
        )

    async def claim(self, app: str, token: str, digest: str) -> bool:
        """See `Bus.claim`."""
        key = self._keys.of("claim", (app, _digest(token)))
        ttl = milliseconds(TOKEN_TTL)
        known = await self._redis.ask(Call(key, ("SET", key, digest, "PX", ttl, "NX", "GET")))
        return known in {None, digest.encode()}

    async def whisper(self, channel: Channel, broadcast: Broadcast) -> None:
        """See `Bus.whisper`."""
        feed, message = self._keys.of("feed", channel), encode_whisper(broadcast)
        commands = self._pubsub.commands
        raise_first(
            await self._redis.ask_all([Call(feed, (each, feed, message)) for each in commands])
        )

    async def history(self, channel: Channel, after: Position, *, limit: int) -> History:
        """See `Bus.history`."""
        readings = await self._read([channel], after=after.offset, limit=limit)
        top, items = readings[channel].position, readings[channel].items
        if not after.leads_to(top.epoch) or after.offset > top.offset:
            return History(top, None)
        try:
            entries = tuple(_entries(channel, top.epoch, items))
        except ValueError:
            note_passed("history")
            log.warning(
                "bus.history_skipped", app=channel.app, channel=channel.name, pace_by="history"
            )
            return History(top, None)
        reaches = after.offset == top.offset or (
            entries and entries[0].position.offset == after.offset + 1
        )
        return History(top, entries[:limit] if reaches else None)

    async def tops(self, channels: Collection[Channel]) -> dict[Channel, Position]:
        """See `Bus.tops`."""
        readings = await self._read(channels)
        return {channel: reading.position for channel, reading in readings.items()}

    async def last(self, channels: Collection[Channel]) -> dict[Channel, Cached | None]:
        """See `Bus.last`."""
        asked = list(dict.fromkeys(channels))
        calls = [_LAST.call((self._keys.of("cache", channel),)) for channel in asked]
        answered = _answered(asked, await self._ask(calls))
        return {channel: _cached(channel, *reply) for channel, reply in answered.items()}

    async def _read(
        self, channels: Collection[Channel], *, after: int = NO_ENTRIES, limit: int = 1
    ) -> dict[Channel, _Reading]:
        """
        Read channels, and entries after an offset; leave out those that are away.

        Raises:
            Unavailable: All are, or were when their origins had to be made.
        """
        asked = list(dict.fromkeys(channels))
        names = [self._keys.several(("meta", "history"), channel) for channel in asked]
        calls = [_HISTORY.call(keys, after, max(limit, 1)) for keys in names]
        replies = _answered(asked, await self._ask(calls))
        readings = {channel: _Reading(*reply) for channel, reply in replies.items()}
        await self._keep([channel for channel, each in readings.items() if each.is_old])
        return await self._placed(readings)

    async def _keep(self, channels: Sequence[Channel]) -> None:
        """Have idle channels that somebody reads keep their epoch; what fails comes up again."""
        if channels:
            keys = [self._keys.of("meta", channel) for channel in channels]
            await self._redis.ask_all([Call(key, ("PEXPIRE", key, META_TTL)) for key in keys])

    async def _placed(self, readings: dict[Channel, _Reading]) -> dict[Channel, _Reading]:
        """Make the origins of partitions that have none yet, for channels without entries there."""
        lacking = [channel for channel, reading in readings.items() if reading.epoch is None]
        if not lacking:
            return readings
        keys = [self._keys.partition("origin", self._keys.index(each)) for each in lacking]
        calls = [_ORIGIN.call((key,), f"{next(self._lives)}{ORIGIN}") for key in keys]
        made = _answered(lacking, await self._ask(calls))
        there = {channel: each for channel, each in readings.items() if each.epoch is not None}
        return there | {channel: _Reading(origin) for channel, origin in made.items()}

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Listener]:
        """See `Bus.listen`.  While Redis is away the listener is there, and refuses to follow."""
        listener = self._listener()
        try:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(listener.run())
                await listener.wait_for_attempt()
                yield listener
                running.cancel()
        except BaseExceptionGroup as group:
            if len(group.exceptions) > 1:
                raise
            raise group.exceptions[0] from None  # What the caller's own block raised, as it was.

    def _listener(self) -> ClassicListener | ShardedListener:
        number, service = next(self._listeners), f"listener:{secrets.token_hex(8)}"
        name = "listener" if number == 1 else f"listener {number}"
        inbox = Inbox(self._backlog)
        following = Following(lambda channel: self._keys.of("feed", channel), inbox)
        if self._pubsub.hears_sharded:
            return ShardedListener(
                self._redis,
                service,
                following,
                inbox=inbox,
                read_tops=self.tops,
                probe_interval=self._probe_interval,
                name=name,
            )
        return ClassicListener(
            self._redis,
            self._keys.single(service),
            following,
            inbox=inbox,
            read_tops=self.tops,
            watch=HearingWatch(self._probe_interval),
            name=name,
        )


def _new_lives() -> Iterator[str]:
    """Name lives, each another: no history is like a former one, and no origin."""
    seed = secrets.token_hex(4)
    return (f"{seed}{number}" for number in itertools.count())


def _marks(source: Source | None, before: Source | None) -> Sequence[Word]:
    """Say where a publication comes from, and what comes from there before it."""
    return (
        source.name if source else "",
        source.sequence if source else "",
        repr(source.timestamp) if source else "",
        before.sequence if before else "",
        repr(before.timestamp) if before else "",
    )


def _positions(replies: Sequence[Any]) -> list[Position]:
    """Read the replies to a publish."""
    raise_first(replies, backend="bus")
    positions = []
    for state, epoch, offset in replies:
        if state < 0:
            raise Unavailable("bus") from PredecessorMissing
        positions.append(Position(_text(epoch), offset))
    return positions


def _answered(channels: Sequence[Channel], replies: Sequence[Any]) -> dict[Channel, Any]:
    """Leave out the channels whose reply is an error; raise the first if all are."""
    if all(isinstance(reply, Exception) for reply in replies):
        raise_first(replies, backend="bus")
    return {
        channel: reply
        for channel, reply in zip(channels, replies, strict=True)
        if not isinstance(reply, Exception)
    }


def _cached(channel: Channel, value: bytes | None, ttl: int) -> Cached | None:
    """
    Read what a cache channel keeps.

    Args:
        channel: The cache channel.
        value: The position, a line feed, the envelope; None: nothing is kept.
        ttl: Milliseconds for which it is still kept.
    """
    if value is None:
        return None
    header, _, envelope = value.partition(b"\n")
    epoch, _, offset = header.partition(b" ")
    try:
        broadcast = unpack(envelope)
        entry = Entry(channel, Position(epoch.decode(), int(offset)), broadcast)
    except ValueError:
        note_passed("history")
        log.warning("bus.cache_skipped", app=channel.app, channel=channel.name, pace_by="cache")
        return None
    return Cached(entry, ttl / 1000)


def _text(epoch: bytes) -> str:
    """Read an epoch: a name, whatever stands there."""
    return epoch.decode(errors="replace")


def _digest(token: str) -> str:
    """Make a token that may be of any length, and have any characters, fit for a key."""
    # A header that is not UTF-8 comes with lone surrogates.
    return sha256(token.encode(errors="surrogatepass")).hexdigest()


def _entries(channel: Channel, epoch: str, items: Sequence[Any]) -> Iterable[Entry]:
    for number, (_, envelope) in items:
        position = Position(epoch, int(number.partition(b"-")[0]))
        yield Entry(channel, position, unpack(envelope))
