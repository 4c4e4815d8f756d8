"""Marks of a single process: the reference implementation of `port.Marks`."""

import time
from collections.abc import Callable, Iterable, Sequence

from libs.common.channels import Channel
from libs.common.marks.mark import Mark
from libs.common.marks.port import Reader, Reading, TooManyMarks

MOST_KEPT = 1_000_000  # Marks of all channels together, some 250 MB.

_Kept = tuple[Mark, float]  # What stands, and when it was told.


class MemoryMarks:
    """
    Marks of one process, lost when it ends.  See `Marks`.

    Args:
        most_readers: Of one channel.
        most_kept: Marks of all channels together.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        most_readers: int,
        *,
        most_kept: int = MOST_KEPT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._most_readers = most_readers
        self._most_kept = most_kept
        self._clock = clock
        self._channels: dict[Channel, dict[str, _Kept]] = {}
        self._number = 0

    async def check(self) -> None:
        """See `Marks.check`: it is this process."""

    async def move(self, readings: Sequence[Reading]) -> list[Mark | TooManyMarks]:
        """See `Marks.move`."""
        for reading in readings:
            self._move(reading)
        return [self._standing(*reading[:2]) or self._full() for reading in readings]

    def _move(self, reading: Reading) -> None:
        channel, user_id, mark = reading
        readers = self._channels.get(channel, {})
        if user_id in readers:
            mark = readers[user_id][0].moved(mark)
        elif len(readers) >= self._most_readers or self._number >= self._most_kept:
            return
        else:
            self._number += 1
        self._channels.setdefault(channel, readers)[user_id] = mark, self._clock()

    def _full(self) -> TooManyMarks:
        if self._number >= self._most_kept:
            return TooManyMarks(self._most_kept, of="are kept in the memory of this process")
        return TooManyMarks(self._most_readers)

    def _standing(self, channel: Channel, user_id: str) -> Mark | None:
        kept = self._channels.get(channel, {}).get(user_id)
        return kept and kept[0]

    async def mark(self, channel: Channel, user_id: str) -> Mark | None:
        """See `Marks.mark`."""
        return self._standing(channel, user_id)

    async def standing(self, readers: Sequence[Reader]) -> list[Mark | None]:
        """See `Marks.standing`."""
        return [self._standing(*reader) for reader in readers]

    async def page(self, channel: Channel, *, after: str, limit: int) -> list[tuple[str, Mark]]:
        """See `Marks.page`."""
        readers = self._channels.get(channel, {})
        users = sorted(user_id for user_id in readers if user_id > after)  # As UTF-8 is sorted.
        return [(user_id, readers[user_id][0]) for user_id in users[:limit]]

    async def read_by(self, app: str, user_id: str, *, limit: int) -> list[Reading]:
        """See `Marks.read_by`."""
        read = [
            Reading(channel, user_id, readers[user_id][0])
            for channel, readers in self._channels.items()
            if channel.app == app and user_id in readers
        ]
        return sorted(read)[:limit]

    async def erase(self, app: str, user_id: str) -> int:
        """See `Marks.erase`."""
        return self._drop(
            (channel, user_id)
            for channel, readers in list(self._channels.items())
            if channel.app == app and user_id in readers
        )

    async def forget(self, *, moved_before: float, limit: int) -> int:
        """See `Marks.forget`."""
        old = [
            (channel, user_id)
            for channel, readers in self._channels.items()
            for user_id, (_, told_at) in readers.items()
            if told_at < moved_before
        ]
        return self._drop(old[:limit])

    def _drop(self, readers: Iterable[Reader]) -> int:
        before = self._number
        for channel, user_id in readers:
            del self._channels[channel][user_id]
            self._number -= 1
            if not self._channels[channel]:
                del self._channels[channel]
        return before - self._number
