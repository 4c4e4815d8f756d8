"""The streams of a single process: the reference implementation of `lifecycle.port.Lifecycle`."""

import secrets
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from libs.common.lifecycle.facts import Fact, Recorded, Stream
from libs.common.lifecycle.port import MOST_KEPT, Fenced, Page, Wanted, nobody

PARTITION = 0


@dataclass(slots=True)
class _Kept:
    """
    What is kept of one stream.

    Attributes:
        number: Of the newest fact.
        records: The newest ones, in order.
        places: For each sink the number of the last one that it is done with.
    """

    number: int = 0
    records: deque[Recorded] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    places: dict[str, int] = field(default_factory=dict)


class MemoryLifecycle:
    """
    Streams for one process.  See `Lifecycle`.

    Args:
        wanted: Which facts of the roster and the tally are worth recording.
        clock: UTC epoch seconds.
    """

    partitions = 1

    def __init__(self, wanted: Wanted = nobody, *, clock: Callable[[], float] = time.time) -> None:
        self._wanted = wanted
        self._clock = clock
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
        dated = replace(fact, at=self._clock())
        kept.records.append(Recorded(stream, kept.number, self._epoch, dated))

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

    async def read(self, stream: Stream, sink: str, *, limit: int) -> Page:
        """See `Lifecycle.read`."""
        kept = self._streams.get(stream)
        if kept is None:
            return Page(())
        place = kept.places.get(sink)
        after = 0 if place is None else place
        records = [record for record in kept.records if record.number > after][:limit]
        lost = records[0].number - after - 1 if records and place is not None else 0
        return Page(records, lost)

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
        while kept.records and kept.records[0].number <= done:
            kept.records.popleft()
