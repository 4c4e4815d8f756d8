"""
Where a batch of records changes hands: from the task that reads the log to the one that works.

One batch waits, at most; who offers the next waits until the worker has come for it.  What was
taken is remembered until it is committed, so that a member of a group can release its partitions
without leaving work half done.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from libs.common.eventlog.records import Partition, Record


class Handover:
    """A place for one batch, between one reader and one worker."""

    def __init__(self) -> None:
        self._waiting: list[Record] = []
        self._ends: Mapping[Partition, int] = {}
        self._taken: dict[Partition, int] = {}
        self._called = asyncio.Event()  # The worker shall look.
        self._vacant = asyncio.Event()
        self._vacant.set()
        self._settled = asyncio.Event()
        self._settled.set()

    @property
    def is_vacant(self) -> bool:
        """Whether the worker has come since the last offer."""
        return self._vacant.is_set()

    async def vacancy(self) -> None:
        """Wait until a batch may be offered; a worker who does not come is not read for."""
        await self._vacant.wait()

    def offer(self, records: list[Record], ends: Mapping[Partition, int]) -> None:
        """Put a batch into the vacant place; ``ends`` are the offsets after its last records."""
        self._waiting, self._ends = records, ends
        self._vacant.clear()
        self._called.set()

    async def take(self, timeout: float) -> list[Record]:
        """
        Wait up to ``timeout`` seconds for a batch.

        Returns:
            The batch.  It is empty when the time is over, or at once if what was taken shall be
            settled.
        """
        if not self._waiting:
            self._vacant.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._called.wait()
        self._called.clear()
        records, self._waiting = self._waiting, []
        self._vacant.set()
        if records:
            self._settled.clear()
            self._taken.update(self._ends)
        return records

    def settle(self, offsets: Mapping[Partition, int]) -> None:
        """Note that the work on all records before these offsets is done with."""
        for partition, offset in offsets.items():
            if self._taken.get(partition, offset + 1) <= offset:
                del self._taken[partition]
        if not self._taken:
            self._settled.set()

    async def release(self, timeout: float) -> None:
        """Take back the batch that waits, and wait ``timeout`` seconds for the rest."""
        self._waiting = []
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                if self._taken:
                    self._called.set()
                    await self._settled.wait()
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._waiting = []
        self._called.clear()
        self._taken.clear()
        self._settled.set()
