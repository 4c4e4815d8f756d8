"""
The passage of one stream's facts to one sink, while there are any.

Facts are read ahead: while the sink is busy with some it may be brought those that follow, as far
as it says.  Its place in the stream is moved past what it is done with, and everything before that.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import KNOWN_KINDS, Kind, Recorded, Stream
from libs.common.lifecycle.port import Lifecycle
from services.presence.lifecycle.sinks import Sink

BATCH = 100  # Facts that a sink gets at once.

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Call:
    """
    A call of `Sink.take`.

    Attributes:
        since: When the first of the records that it was made for was decided, in UTC epoch seconds.
        last: The last of these records.
        count: How many those are.
        lost: How many facts between them and those before will not be had any more.
        task: Returns what the call raised, or None.
    """

    since: float
    last: Recorded
    count: int
    lost: int
    task: asyncio.Task[Unavailable | None]

    @property
    def fault(self) -> Unavailable | None:
        """What it raised, if it is over."""
        return self.task.result() if self.task.done() else None


class Passage:
    """
    Brings facts of a stream to a sink.

    Args:
        lifecycle: Keeps the streams.
        stream: What is read.
        sink: Who is brought it.
        fence: Returns that of the partition; raises Fenced where it is somebody else's.
        head: Returns the number of the stream's newest fact, as far as it is known.
        news: Returns what is done when the stream has another head.
        pause: Seconds that a call of a sink is under way before it is brought what follows already.
        counts: Counts ``facts`` and ``lost``.
        tell_oldest: Told when the oldest fact that the sink is not done with was decided, in UTC
            epoch seconds, as often as that may be another one.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        stream: Stream,
        sink: Sink,
        *,
        fence: Callable[[], int],
        head: Callable[[], int],
        news: Callable[[], asyncio.Future[None]],
        pause: float,
        counts: Counter[str],
        tell_oldest: Callable[[float], None],
    ) -> None:
        self._lifecycle = lifecycle
        self._stream = stream
        self._sink = sink
        self._fence = fence
        self._head = head
        self._news = news
        self._pause = pause
        self._counts = counts
        self._tell_oldest = tell_oldest
        self._calls: deque[_Call] = deque()
        self._lost = 0

    async def run(self) -> bool:
        """
        Bring the sink all that there is; tell whether there was anything.

        Raises:
            Unavailable, Fenced: What was not noted comes again.
        """
        try:
            was_any, fault = await self._bring()
        finally:  # Also where it is broken off: what was passed over is not met again.
            self._tell_lost()
        if fault is not None:
            raise fault
        return was_any

    async def _bring(self) -> tuple[bool, Unavailable | None]:
        """Bring all; tell whether there was anything, and what ended it before all was brought."""
        was_any = False
        fault: Unavailable | None = None
        async with asyncio.TaskGroup() as tasks:
            try:
                while await self._read_on(tasks) or self._calls:
                    was_any = True
                    await self._wait()
                    await self._note()
            except Unavailable as error:
                fault = error  # A group would wrap it.
            for call in self._calls:
                call.task.cancel()
        self._calls.clear()
        return was_any, fault

    async def _read_on(self, tasks: asyncio.TaskGroup) -> bool:
        """Call the sink with what follows, if it may be called; tell whether it was."""
        if not self._may_call():
            return False
        self._fence()
        last = self._calls[-1].last if self._calls else None
        page = await self._lifecycle.read(self._stream, self._sink.name, limit=BATCH, after=last)
        records = page.records
        # What began anew waits until those under way are done with: they are of another epoch.
        if not records or (last is not None and records[0].epoch != last.epoch):
            return False
        wanted = [record for record in records if self._wants(record.fact.kind)]
        task = tasks.create_task(self._taken(wanted))
        since = records[0].fact.at
        self._calls.append(_Call(since, records[-1], len(records), page.lost, task))
        self._tell_oldest(self._calls[0].since)
        return True

    def _wants(self, kind: Kind) -> bool:
        """Pass over kinds of a newer release, and facts that cannot be read."""
        return kind in KNOWN_KINDS and self._sink.wants(kind)

    def _may_call(self) -> bool:
        if not self._calls:
            return True
        has_more = self._head() > self._calls[-1].last.number
        return has_more and len(self._calls) < self._sink.depth

    async def _taken(self, wanted: Sequence[Recorded]) -> Unavailable | None:
        try:
            if wanted:
                await self._sink.take(wanted)
        except Unavailable as error:
            return error
        self._counts["facts"] += len(wanted)
        return None

    async def _wait(self) -> None:
        """Wait until the sink is done with the first call, or may be brought what follows."""
        first = self._calls[0].task
        if self._may_call():
            await asyncio.wait([first], timeout=self._pause)
        else:
            awaited = [first, *self._changes()]
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)

    def _changes(self) -> list[asyncio.Future[Any]]:
        """Return what must change before the sink may be called again, while it is busy."""
        if len(self._calls) < self._sink.depth:
            return [self._news()]
        return [self._sink.room.heard()] if self._sink.room else []

    async def _note(self) -> None:
        """Move the sink's place past the calls that are over, up to the first that is not."""
        over: list[_Call] = []
        while self._calls and self._calls[0].task.done() and self._calls[0].fault is None:
            over.append(self._calls.popleft())
        if self._calls:
            self._tell_oldest(self._calls[0].since)
        if over:
            await self._lifecycle.advance(over[-1].last, self._sink.name, fence=self._fence())
            self._count_lost(sum(call.lost for call in over))
        if self._calls and (fault := self._calls[0].fault) is not None:
            raise fault

    def _count_lost(self, lost: int) -> None:
        self._lost += lost
        if not lost:
            self._tell_lost()

    def _tell_lost(self) -> None:
        """Say once for all that were dropped one after the other."""
        if self._lost:
            self._counts["lost"] += self._lost
            log.error("facts.lost", app=self._stream.app, sink=self._sink.name, lost=self._lost)
        self._lost = 0
