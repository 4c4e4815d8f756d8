"""The line before an identity server: whose turn it is."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.auth.identity.asking.fair_line import FairLine, TurnMissed
from tests.support.deadline import DEADLINE

FLOOD, ANN, BOB = "flood", "ann", "bob"


class Asker:
    """Asks, and goes on when it is told to."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def ask(self, line: FairLine, address: str, hall: "Hall", *, is_known: bool) -> None:
        async with line.turn(address, is_known=is_known, timeout=DEADLINE):
            hall.served.append(address)
            hall.inside.append(self)
            await self.answered.wait()


class Hall:
    """Where askers wait for their turn."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self.served: list[str] = []
        self.inside: list[Asker] = []
        self.askers: list[Asker] = []

    async def come(
        self, line: FairLine, address: str, count: int = 1, *, is_known: bool = False
    ) -> list[Asker]:
        came = [Asker() for _ in range(count)]
        for asker in came:
            asking = asker.ask(line, address, self, is_known=is_known)
            asker.task = self._tasks.create_task(asking)
        self.askers += came
        await settled()
        return came

    async def answer_one(self) -> str:
        """Answer who was served first and still is; tell who is served then."""
        before = len(self.served)
        self.inside.pop(0).answered.set()
        await settled()
        return ",".join(self.served[before:])

    def close(self) -> None:
        for asker in self.askers:
            asker.answered.set()


async def settled() -> None:
    """Let all go on that can."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        hall = Hall(tasks)
        yield hall
        hall.close()


class TestPlaces:
    """So many at once."""

    async def test_one_address(self, hall: Hall) -> None:
        """Whoever brings very many has half of the places, and waits for itself."""
        line = FairLine(10)
        await hall.come(line, FLOOD, 100)
        assert hall.served == [FLOOD] * 5

        await hall.come(line, ANN)
        await hall.come(line, BOB)
        assert hall.served[5:] == [ANN, BOB]

    async def test_unknown(self, hall: Hall) -> None:
        """However many addresses bring unknown tokens, those that were believed have places of their own."""
        line = FairLine(10)
        for number in range(20):
            await hall.come(line, f"flood {number}", 5)
        assert len(hall.served) == 8

        await hall.come(line, ANN, 3, is_known=True)
        assert hall.served[8:] == [ANN, ANN]

    async def test_known(self, hall: Hall) -> None:
        """Those may take all."""
        line = FairLine(10)
        await hall.come(line, ANN, 11, is_known=True)

        assert hall.served == [ANN] * 10

    @pytest.mark.parametrize("is_known", [False, True])
    async def test_single(self, hall: Hall, is_known: bool) -> None:  # noqa: FBT001
        """With one place all come to it, one after the other."""
        line = FairLine(1)
        await hall.come(line, ANN, 2, is_known=is_known)
        await hall.come(line, BOB, is_known=not is_known)

        assert hall.served == [ANN]
        assert {await hall.answer_one(), await hall.answer_one()} == {ANN, BOB}


class TestTurns:
    """Whose turn it is."""

    async def test_addresses(self, hall: Hall) -> None:
        """One question of each address, and again."""
        line = FairLine(1)
        await hall.come(line, FLOOD, 4)
        await hall.come(line, ANN, 2)
        await hall.come(line, BOB)

        assert [await hall.answer_one() for _ in range(6)] == [
            *(FLOOD, ANN, BOB, FLOOD, ANN, FLOOD)
        ]

    async def test_known_first(self, hall: Hall) -> None:
        """Tokens that were believed come before all others, each address in its turn."""
        line = FairLine(1)
        await hall.come(line, FLOOD, 3)
        await hall.come(line, ANN, 2, is_known=True)
        await hall.come(line, BOB, is_known=True)

        assert [await hall.answer_one() for _ in range(5)] == [ANN, BOB, ANN, FLOOD, FLOOD]


class TestMissed:
    """Who does not get a turn."""

    async def test_in_time(self, hall: Hall) -> None:
        """A turn that does not come in time is given up, and leaves room for another's."""
        line = FairLine(1, most=1)
        await hall.come(line, FLOOD)
        with pytest.raises(TurnMissed):
            async with line.turn(ANN, is_known=False, timeout=0.01):
                pass
        await hall.come(line, BOB)

        assert await hall.answer_one() == BOB

    @pytest.mark.parametrize("at_once", [False, True])
    async def test_cancelled(self, hall: Hall, at_once: bool) -> None:  # noqa: FBT001
        """Who goes leaves no place taken, not even in the moment in which its turn comes."""
        line = FairLine(1)
        (first,) = await hall.come(line, FLOOD)
        (second,) = await hall.come(line, ANN)
        await hall.come(line, BOB)
        assert first.task is not None
        assert second.task is not None
        if at_once:
            first.answered.set()
            await asyncio.sleep(0)  # The first leaves, and the second is called, but does not know.
        second.task.cancel()
        first.answered.set()
        await settled()

        assert hall.served == [FLOOD, BOB]

    async def test_full(self, hall: Hall) -> None:
        """Where too many wait the newest of those goes from whose address most do."""
        line = FairLine(1, most=4)
        await hall.come(line, FLOOD)
        await hall.come(line, ANN)
        waiting = [asyncio.ensure_future(passed(line, FLOOD)) for _ in range(3)]
        await settled()

        assert not await passed(line, FLOOD)
        bob = asyncio.ensure_future(passed(line, BOB))
        known = asyncio.ensure_future(passed(line, BOB, is_known=True))
        await settled()
        assert [each.done() and each.result() for each in waiting] == [False, False, False]
        assert [each.done() for each in waiting] == [False, True, True]
        assert not await passed(line, BOB)
        hall.close()
        assert await bob
        assert await known
        assert await waiting[0]

    async def test_shares(self, hall: Hall) -> None:
        """Between addresses from which as many wait as from each other nobody takes anything away."""
        line = FairLine(1, most=3)
        await hall.come(line, FLOOD)
        waiting = [asyncio.ensure_future(passed(line, each)) for each in (FLOOD, FLOOD, ANN)]
        await settled()

        assert not await passed(line, ANN)
        hall.close()
        assert await asyncio.gather(*waiting) == [True] * 3

    async def test_known_first(self, hall: Hall) -> None:
        """While any others wait one of them goes, and none of those that were believed before."""
        line = FairLine(1, most=3)
        await hall.come(line, FLOOD)
        stranger = asyncio.ensure_future(passed(line, FLOOD))
        known = [asyncio.ensure_future(passed(line, ANN, is_known=True)) for _ in range(2)]
        await settled()

        known.append(asyncio.ensure_future(passed(line, BOB, is_known=True)))
        assert not await stranger
        hall.close()
        assert await asyncio.gather(*known) == [True] * 3

    async def test_nothing_stays(self) -> None:
        """Of an address whose questions were answered nothing is kept."""
        line = FairLine(2)
        for number in range(100):
            assert await passed(line, f"192.0.2.{number}")

        assert (line._busy, line._busy_unknown, line._unknown) == (0, {}, {})


async def passed(line: FairLine, address: str, *, is_known: bool = False) -> bool:
    """Take a turn; tell whether it came."""
    try:
        async with line.turn(address, is_known=is_known, timeout=DEADLINE):
            return True
    except TurnMissed:
        return False
