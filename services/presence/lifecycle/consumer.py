"""
Consumes the lifecycle streams: takes its share of the partitions, and brings facts to the sinks.

Each sink has a task of its own for each stream that has something for it, so that one that is slow
delays no other.  A task ends when the sink has had all, or the partition is somebody else's.
"""

import asyncio
import secrets
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import Stream
from libs.common.lifecycle.port import Fenced, Lifecycle
from libs.common.retry import Backoff
from services.presence.bell import Bell
from services.presence.lifecycle.passage import Passage
from services.presence.lifecycle.shares import share
from services.presence.lifecycle.sinks import Sink, Sinks
from services.presence.settings import PresenceSettings

_Work = tuple[Stream, str]  # A stream, and the name of a sink.


class FactConsumer:
    """
    Brings facts to sinks.  Any number of processes may do so at once.

    Args:
        lifecycle: Keeps the streams.
        sinks: Those of each app.
        settings: How long a share is held, and how often streams are looked at.

    Attributes:
        owner: The name under which it takes partitions.
        by_sink: Of each kind of sink, ``facts``: brought to it; ``lost``: dropped before they were.
    """

    def __init__(self, lifecycle: Lifecycle, sinks: Sinks, settings: PresenceSettings) -> None:
        self._lifecycle = lifecycle
        self._sinks = sinks
        self._settings = settings
        self.owner = secrets.token_hex(8)
        self.by_sink: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._fences: Mapping[int, int] = {}
        self._seen: dict[Stream, int] = {}
        self._news: defaultdict[Stream, Bell] = defaultdict(Bell)
        self._working: dict[_Work, asyncio.Task[None]] = {}
        self._oldest: dict[_Work, float] = {}

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions that it owns."""
        return frozenset(self._fences)

    @property
    def counts(self) -> Counter[str]:
        """The same of all sinks together."""
        return sum(self.by_sink.values(), Counter[str]())

    @property
    def passages(self) -> int:
        """How many streams have something for a sink, each sink counted."""
        return len(self._working)

    def lags(self, now: float) -> Mapping[str, float]:
        """
        Tell how old the oldest fact is that a sink is not done with; 0: there is none.

        Args:
            now: In UTC epoch seconds.

        Returns:
            Seconds, by kind of sink, as `by_sink`.
        """
        found = dict.fromkeys(self.by_sink, 0.0)
        for (_, name), since in self._oldest.items():
            kind = _kind(name)
            found[kind] = max(found[kind], now - since)
        return found

    async def run(self) -> None:
        """Consume until cancelled; then give up what it owns."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_share())
                tasks.create_task(self._keep_looking(tasks))
        finally:
            await self._give_up(self.partitions)
            with suppress(Unavailable):
                await self._lifecycle.leave(self.owner)

    async def _keep_share(self) -> None:
        """Take what is this process's share, again and again, before it lapses."""
        while True:
            try:
                await self._take_share()
            except Unavailable:  # Until it is back nobody can take what is ours, nor do we work.
                self._own({})
            await asyncio.sleep(self._settings.share_ttl / 3)

    async def _take_share(self) -> None:
        ttl = self._settings.share_ttl
        living = await self._lifecycle.attend(self.owner, ttl=ttl)
        mine = share(self.owner, living, self._lifecycle.partitions)
        await self._give_up(self.partitions - mine)
        self._own(await self._lifecycle.take(self.owner, mine, ttl=ttl) if mine else {})

    def _own(self, fences: Mapping[int, int]) -> None:
        self._fences = fences
        for (stream, _), task in self._working.items():
            if stream.partition not in fences:
                task.cancel()
        for stream in [one for one in self._seen if one.partition not in fences]:
            del self._seen[stream]
            self._news.pop(stream, None)

    async def _give_up(self, partitions: frozenset[int]) -> None:
        """Let others take partitions at once, and not when the share has lapsed."""
        if not partitions:
            return
        self._own({each: fence for each, fence in self._fences.items() if each not in partitions})
        with suppress(Unavailable):
            await self._lifecycle.release(self.owner, partitions)

    async def _keep_looking(self, tasks: asyncio.TaskGroup) -> None:
        """Look which streams have new facts, and set their sinks to work."""
        while True:
            try:
                heads = await self._lifecycle.heads(self._fences) if self._fences else {}
            except Unavailable:
                heads = {}
            for stream, head in heads.items():
                if self._seen.get(stream) != head and stream.partition in self._fences:
                    with suppress(
                        Unavailable
                    ):  # Sinks that are not known yet are looked for again.
                        self._set_to_work(stream, tasks)
                        self._seen[stream] = head
                        self._news[stream].ring()
            await asyncio.sleep(self._settings.poll_interval)

    def _set_to_work(self, stream: Stream, tasks: asyncio.TaskGroup) -> None:
        sinks = self._sinks.of(stream.app)
        for sink in sinks:
            if (stream, sink.name) not in self._working:
                task = tasks.create_task(self._work(stream, sink))
                self._working[stream, sink.name] = task
        if not sinks and (stream, "") not in self._working:
            self._working[stream, ""] = tasks.create_task(self._clear(stream))

    async def _work(self, stream: Stream, sink: Sink) -> None:
        """Bring a sink all that it has not had of a stream."""
        backoff = Backoff()
        try:
            while True:
                try:
                    seen = self._seen.get(stream)
                    if not await self._bring(stream, sink) and self._seen.get(stream) == seen:
                        await self._settle(stream)
                        return
                    backoff.reset()
                except Fenced:
                    return
                except Unavailable:
                    await asyncio.sleep(backoff.delay())
        finally:
            del self._working[stream, sink.name]
            self._oldest.pop((stream, sink.name), None)

    async def _clear(self, stream: Stream) -> None:
        """Drop what was recorded for sinks that are no more."""
        try:
            await self._settle(stream)
        except Unavailable:  # Then it is dropped with the next facts, or when it is too old.
            return
        finally:
            del self._working[stream, ""]

    async def _bring(self, stream: Stream, sink: Sink) -> bool:
        """Bring a sink the next facts; tell whether there were any."""
        passage = Passage(
            self._lifecycle,
            stream,
            sink,
            fence=lambda: self._fence(stream),
            head=lambda: self._seen.get(stream, 0),
            news=self._news[stream].heard,
            pause=self._settings.poll_interval,
            counts=self.by_sink[_kind(sink.name)],
            tell_oldest=partial(self._note_oldest, (stream, sink.name)),
        )
        return await passage.run()

    def _note_oldest(self, work: _Work, since: float) -> None:
        self._oldest[work] = since

    async def _settle(self, stream: Stream) -> None:
        names = [sink.name for sink in self._sinks.of(stream.app)]
        await self._lifecycle.settle(stream, names, fence=self._fence(stream))

    def _fence(self, stream: Stream) -> int:
        fence = self._fences.get(stream.partition)
        if fence is None:
            raise Fenced(stream.partition)
        return fence


def _kind(sink: str) -> str:
    """Return the kind of a sink by its name."""
    return sink.partition(":")[0]
