"""When the garbage collector looks at what."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Mapping

import pytest

from services.collector import (
    FOR_EACH,
    MANY,
    NEVER,
    PACE,
    SLACK,
    Collector,
    Living,
    is_explained,
)

BEFORE = Living(1_000_000, served=10_000)


class Clients:
    """A service that has some."""

    def __init__(self) -> None:
        self.connections = 0

    def figures(self) -> Mapping[str, int]:
        return {"connections": self.connections, "channels": 0, "broadcasts": 7}


class Cycle:
    """Garbage that only a collection finds, once it is let go."""

    def __init__(self) -> None:
        self.itself = self


class TestIsExplained:
    """Whether what is served explains what lives."""

    def test_little(self) -> None:
        """
        A quarter more, and a little.
        """
        most = BEFORE.blocks * 5 // 4 + SLACK

        assert is_explained(BEFORE, before=BEFORE)
        assert is_explained(Living(most, BEFORE.served), before=BEFORE)
        assert not is_explained(Living(most + 1, BEFORE.served), before=BEFORE)

    def test_clients(self) -> None:
        """
        What came with clients; but not if they went, and it is still there.
        """
        more = 2 * BEFORE.blocks
        clients = BEFORE.served + BEFORE.blocks // FOR_EACH

        assert is_explained(Living(more, clients), before=BEFORE)
        assert not is_explained(Living(more, BEFORE.served), before=Living(more, clients))


class Process:
    """A process in which the collector runs."""

    def __init__(self) -> None:
        self.clients = Clients()
        self.now = 0.0
        self.collector = Collector([self.clients], clock=lambda: self.now)

    def look(self, *, after: float = 0.0) -> None:
        self.now += after
        self.collector.look()


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    """Let one run, without looks of its own."""
    before = gc.get_threshold()
    process = Process()
    task = asyncio.create_task(process.collector.run())
    await asyncio.sleep(0)
    yield process
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before


def let_go(*, frozen_by: Process | None = None) -> "weakref.ref[Cycle]":
    """Make a cycle that is garbage after it has become old, or was frozen."""
    cycle = Cycle()
    gc.collect(1)
    if frozen_by is not None:
        frozen_by.look(after=PACE)
    return weakref.ref(cycle)


class TestCollector:
    """The collector of a process."""

    async def test_python(self, process: Process) -> None:
        """
        What was there at the start is walked no more, and Python begins no full collection.
        """
        assert process.now == 0
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[-1] == NEVER

    @pytest.mark.usefixtures("process")
    async def test_young(self) -> None:
        """
        Garbage in cycles goes by itself, as objects come and stay.
        """
        cycles = weakref.WeakSet(Cycle() for _ in range(100))

        kept: list[list[int]] = []
        while cycles:
            kept.append([len(kept)])

    async def test_old(self, process: Process) -> None:
        """
        What became garbage after it had lived for a while goes before long.
        """
        gone = let_go()

        process.look(after=PACE / 2)
        assert gone() is not None

        process.look(after=PACE / 2)
        assert gone() is None

    async def test_many(self, process: Process) -> None:
        """
        It goes earlier where much has come, so that there is never much to walk at once.
        """
        gone = let_go()
        for _ in range(MANY):
            gc.collect(1)

        process.look()

        assert gone() is None

    async def test_frozen(self, process: Process) -> None:
        """
        What lived for long is not walked again while those who are served explain it.
        """
        gone = let_go(frozen_by=process)

        process.look(after=PACE)
        assert gone() is not None

        process.clients.connections -= 10**9 // FOR_EACH
        process.look(after=PACE)
        assert gone() is None

    async def test_not_walked(self, process: Process) -> None:
        """
        After a collection nothing is left for the next one to walk.
        """
        kept = [[each] for each in range(10_000)]

        process.look(after=PACE)

        assert len(gc.get_objects()) < len(kept) / 10
