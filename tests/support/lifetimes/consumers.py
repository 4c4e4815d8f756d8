"""Processes that read the lifecycle streams and bring them to a receiver, beside what should be there."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from libs.common.lifecycle.facts import Recorded, Stream
from libs.common.lifecycle.port import Fenced, Lifecycle
from tests.support.lifetimes.truth import Told
from tests.support.lifetimes.worlds import World

SINK = "webhook:1:hook"
APP = "1"
ALL = 10_000


def told(records: Sequence[Recorded]) -> list[Told]:
    """Tell what records are about."""
    return [(each.fact.kind, each.fact.channel, each.fact.user) for each in records]


@dataclass(slots=True)
class Log:
    """
    One partition's stream as it should be.

    Attributes:
        partition: Which.
        records: All that was recorded since data were lost.
        done: Up to how many of them the sink has noted.
        owner: Who may note; empty: nobody.
        until: When somebody else may take it.
        fence: The highest that was given.
    """

    partition: int
    records: list[Recorded] = field(default_factory=list)
    done: int = 0
    owner: str = ""
    until: float = 0.0
    fence: int = 0

    async def follow(self, lifecycle: Lifecycle) -> list[Told]:
        """Read what is new, and tell what it is about; numbers go on, and the epoch stays."""
        page = await lifecycle.read(Stream(APP, self.partition), "nobody", limit=ALL)
        new = [each for each in page.records if each.number > len(self.records)]
        self.records += new
        assert [each.number for each in self.records] == list(range(1, len(self.records) + 1))
        assert len({each.epoch for each in self.records}) <= 1
        return told(new)

    def lose(self) -> None:
        """Forget all, but which fences were given."""
        self.records, self.done, self.owner, self.until = [], 0, "", 0.0


@dataclass(slots=True)
class Receiver:
    """
    Whoever is told, at least once, and knows what it had by the ids.

    Attributes:
        had: By id.
    """

    had: dict[str, Recorded] = field(default_factory=dict)

    def take(self, records: Sequence[Recorded]) -> None:
        """Take records; what comes again under an id is the same."""
        for each in records:
            assert self.had.setdefault(each.id, each) == each


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
            assert list(page.records) == log.records[log.done : log.done + limit]
            assert page.lost == 0
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
