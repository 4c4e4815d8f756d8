"""Processes that read the lifecycle streams and bring them to a receiver, step by step."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from libs.common.lifecycle.facts import Recorded, Stream
from libs.common.lifecycle.port import Fenced, Lifecycle
from tests.support.lifetimes.drawn import APP
from tests.support.lifetimes.logs import Log, Receiver
from tests.support.lifetimes.worlds import World

SINK = "webhook:1:hook"


@dataclass(slots=True)
class Consumer:
    """
    A presence process, step by step: it may stand still between any two.

    Attributes:
        world: Where it is.
        side: Which of the world's processes it is.
        owner: Its name.
        fences: What it believes to own.
        pages: What it has read and not noted, by partition, and the fence that it had by then.
    """

    world: World
    side: int
    owner: str = field(default_factory=lambda: secrets.token_hex(4))
    fences: dict[int, int] = field(default_factory=dict)
    pages: dict[int, tuple[int, Sequence[Recorded]]] = field(default_factory=dict)

    async def take(self, logs: Sequence[Log], *, now: float, ttl: float) -> None:
        """Take all partitions: those that nobody else has, under a fence above all before."""
        taken = await self._lifecycle.take(self.owner, [log.partition for log in logs], ttl=ttl)
        free = {log.partition for log in logs if log.owner == self.owner or log.until <= now}
        assert taken.keys() == free
        for partition, fence in taken.items():
            log = logs[partition]
            assert fence == log.fence if log.owner == self.owner else fence > log.fence
            log.owner, log.until, log.fence = self.owner, now + ttl, fence
        self.fences.update(taken)

    async def give_up(self, logs: Sequence[Log]) -> None:
        """Give up what it has; others may take it at once."""
        await self._lifecycle.release(self.owner, [log.partition for log in logs])
        for log in logs:
            if log.owner == self.owner:
                log.owner, log.until = "", 0.0

    async def read(self, logs: Sequence[Log], *, limit: int) -> None:
        """Read what the sink has not had."""
        for partition, fence in self.fences.items():
            log = logs[partition]
            page = await self._lifecycle.read(Stream(APP, partition), SINK, limit=limit)
            assert list(page.records) == log.left(log.done)[:limit]
            assert page.lost == log.missing(page.records)
            self.pages[partition] = fence, page.records

    async def bring(self, logs: Sequence[Log], receiver: Receiver) -> None:
        """Bring the receiver what was read, and note it, if it is still the owner."""
        for partition, (fence, page) in self.pages.items():
            log = logs[partition]
            if page:
                receiver.take(page)
                is_owner = log.owner == self.owner and log.fence == fence
                assert await self._note(page[-1], fence) == is_owner
                log.done = page[-1].number if is_owner else log.done
        self.pages.clear()

    async def settle(self, logs: Sequence[Log]) -> None:
        """Drop what the sink has had."""
        for partition, fence in self.fences.items():
            log = logs[partition]
            is_owner = log.owner == self.owner and log.fence == fence
            assert await self._settle(partition, fence) == is_owner
            log.settled = log.done if is_owner else log.settled

    async def _settle(self, partition: int, fence: int) -> bool:
        try:
            await self._lifecycle.settle(Stream(APP, partition), [SINK], fence=fence)
        except Fenced:
            return False
        return True

    async def _note(self, record: Recorded, fence: int) -> bool:
        try:
            await self._lifecycle.advance(record, SINK, fence=fence)
        except Fenced:
            return False
        return True

    @property
    def _lifecycle(self) -> Lifecycle:
        return self.world.processes[self.side].lifecycle
