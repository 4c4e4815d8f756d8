"""The streams of a single process: the reference implementation of `lifecycle.port.Lifecycle`."""

import secrets
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice

import msgspec

from libs.common.lifecycle.facts import Fact, Recorded, Stream
from libs.common.lifecycle.port import BOUNDS, Bounds, Fenced, Page, Wanted, nobody

PARTITION = 0


@dataclass(slots=True)
class _Kept:
    """
    What is kept of one stream.

    Attributes:
        number: Of the newest fact.
        records: The newest ones, in order.
        latest: Of each subject the last one before those, in order.
        places: For each sink the number of the last one that it is done with.
    """

    number: int = 0
    records: deque[Recorded] = field(default_factory=deque)
    latest: dict[tuple[str, str, str], Recorded] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)

    def compact(self, bounds: Bounds) -> None:
        """Keep the bounds."""
        while len(self.records) > bounds.facts:
            oldest = self.records.popleft()
            if (subject := oldest.fact.subject) is not None:
                self.latest.pop(subject, None)
                self.latest[subject] = replace(oldest, after_gap=True)
        while len(self.latest) > bounds.subjects:
            del self.latest[next(iter(self.latest))]

    def after(self, number: int) -> Iterator[Recorded]:
        """Yield what is kept, from a number on."""
        every = chain(self.latest.values(), self.records)
        return (record for record in every if record.number > number)

    def drop(self, done: int) -> None:
        """Drop all up to a number."""
        self.latest = {
            subject: record for subject, record in self.latest.items() if record.number > done
        }
        while self.records and self.records[0].number <= done:
            self.records.popleft()


class MemoryLifecycle:
    """
    Streams for one process.  See `Lifecycle`.

    Args:
        wanted: Which facts of the roster and the tally are worth recording.
        clock: UTC epoch seconds.
        bounds: How many facts are kept.
    """

    partitions = 1

    def __init__(
        self,
        wanted: Wanted = nobody,
        *,
        clock: Callable[[], float] = time.time,
        bounds: Bounds = BOUNDS,
    ) -> None:
        self._wanted = wanted
        self._clock = clock
        self._bounds = bounds
        self._epoch = secrets.token_hex(8)  # Another process counts from the beginning.
        self._streams: dict[Stream, _Kept] = {}
        self._living: dict[str, float] = {}
        self._owner = ""
        self._until = 0.0
        self._fence = 0

    def decided(self, fact: Fact) -> None:
        """Record what the roster or the tally of this process has decided, if somebody wants it."""
        if self._wanted(fact.app, fact.kind):
            self._append(fact)

    async def record(self, facts: Sequence[Fact]) -> None:
        """See `Lifecycle.record`."""
        for fact in facts:
            self._append(fact)

    def _append(self, fact: Fact) -> None:
        stream = Stream(fact.app, PARTITION)
        kept = self._streams.setdefault(stream, _Kept())
        kept.number += 1
        dated = msgspec.structs.replace(fact, at=self._clock())
        kept.records.append(Recorded(stream, kept.number, self._epoch, dated))
        kept.compact(self._bounds)

    async def attend(self, owner: str, *, ttl: float) -> Collection[str]:
        """See `Lifecycle.attend`."""
        now = self._clock()
        self._living[owner] = now + ttl
        self._living = {name: until for name, until in self._living.items() if until > now}
        return list(self._living)

    async def leave(self, owner: str) -> None:
        """See `Lifecycle.leave`."""
        self._living.pop(owner, None)

    async def take(
        self, owner: str, partitions: Collection[int], *, ttl: float
    ) -> Mapping[int, int]:
        """See `Lifecycle.take`."""
        now = self._clock()
        if PARTITION not in partitions or (self._owner != owner and now < self._until):
            return {}
        if self._owner != owner:
            self._fence += 1
        self._owner, self._until = owner, now + ttl
        return {PARTITION: self._fence}

    async def release(self, owner: str, partitions: Collection[int]) -> None:
        """See `Lifecycle.release`."""
        if self._owner == owner and PARTITION in partitions:
            self._owner, self._until = "", 0.0

    async def heads(self, partitions: Collection[int]) -> Mapping[Stream, int]:
        """See `Lifecycle.heads`."""
        streams = self._streams.items()
        return {stream: kept.number for stream, kept in streams if stream.partition in partitions}

    async def read(
        self, stream: Stream, sink: str, *, limit: int, after: Recorded | None = None
    ) -> Page:
        """See `Lifecycle.read`."""
        kept = self._streams.get(stream)
        if kept is None:
            return Page(())
        place = kept.places.get(sink)
        if after is not None:
            place = after.number if after.epoch == self._epoch else None
        return Page.after(place, list(islice(kept.after(place or 0), limit)))

    async def advance(self, record: Recorded, sink: str, *, fence: int) -> None:
        """See `Lifecycle.advance`."""
        if fence != self._fence or not self._owner:
            raise Fenced(record.stream.partition)
        self._streams[record.stream].places[sink] = record.number

    async def settle(self, stream: Stream, sinks: Collection[str], *, fence: int) -> None:
        """See `Lifecycle.settle`."""
        if fence != self._fence or not self._owner:
            raise Fenced(stream.partition)
        kept = self._streams.get(stream)
        if kept is None:
            return
        kept.places = {name: place for name, place in kept.places.items() if name in sinks}
        done = min((kept.places.get(sink, 0) for sink in sinks), default=kept.number)
        kept.drop(done)
