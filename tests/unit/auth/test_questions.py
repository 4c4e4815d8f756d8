"""Questions about memberships: what is remembered, what is asked together, and who waits for whom."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from libs.common.belonging import Membership, Missed, Put, Removed
from libs.common.errors import Unavailable
from libs.common.memberships import MemoryMemberships
from services.auth import questions
from services.auth.questions import CALLS, Questions, TooManyQuestions
from services.auth.settings import MembershipSettings
from tests.support.memberships import Breaking

DEADLINE = 5.0
ANN = Membership("1", "7", "x:5")
BEN = Membership("1", "8", "x:5")
MANY = [Membership("1", str(number), "x:5") for number in range(100)]


class Site:
    """Questions to memberships in memory, and a clock that stands still."""

    def __init__(self, **settings: Any) -> None:
        self.now = 1000.0
        self.memory = MemoryMemberships()
        self.memberships = Breaking(self.memory)
        self.questions = Questions(
            self.memberships, MembershipSettings(**settings), clock=lambda: self.now
        )

    async def asks(self, membership: Membership = ANN) -> bool:
        async with asyncio.timeout(DEADLINE):
            return await self.questions.is_member(membership)

    async def asked_by_many(self) -> list[bool | BaseException]:
        """Ask for many at once."""
        return await asyncio.gather(*map(self.asks, MANY), return_exceptions=True)

    @asynccontextmanager
    async def under_way(self, *memberships: Membership) -> AsyncIterator[list[asyncio.Task[bool]]]:
        """Hold calls about these up until the context ends, one for each."""
        self.memberships.answering.clear()
        tasks = []
        for membership in memberships:
            self.memberships.asked.clear()
            tasks.append(asyncio.create_task(self.asks(membership)))
            await self.memberships.asked.wait()
        try:
            yield tasks
        finally:
            self.memberships.answering.set()

    async def settle(self) -> None:
        """Let every task go on until it waits."""
        for _ in range(10):
            await asyncio.sleep(0)


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[Site]:
    task = asyncio.create_task(site.questions.run())
    try:
        yield site
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running(Site()) as site:
        yield site


class TestRemembered:
    """An answer counts for `auth.memberships.cache` seconds."""

    async def test_yes(self, site: Site) -> None:
        await site.memory.put([ANN])

        assert await site.asks()
        assert await site.asks()
        assert not await site.asks(BEN)

        assert site.memberships.questions == 2

    async def test_no(self, site: Site) -> None:
        """A no is remembered as well."""
        assert not await site.asks()
        assert not await site.asks()

        assert site.memberships.questions == 1

    async def test_over(self, site: Site) -> None:
        assert not await site.asks()
        await site.memory.put([ANN])

        site.now += 59.9
        assert not await site.asks()
        site.now += 0.1
        assert await site.asks()


class TestTogether:
    """What waits is asked in one call, and nobody waits for others to come."""

    async def test_one(self, site: Site) -> None:
        """A single question is asked at once."""
        await site.asks()

        assert site.memberships.calls == [[ANN]]

    async def test_many(self, site: Site) -> None:
        await site.memory.put(MANY[::2])

        assert await site.asked_by_many() == [True, False] * 50
        assert site.memberships.calls == [MANY]

    async def test_bounded(self, site: Site) -> None:
        """A call names as many as the backend takes."""
        site.memberships.at_once = 30

        await site.asked_by_many()

        assert [len(call) for call in site.memberships.calls] == [30, 30, 30, 10]

    async def test_behind(self, site: Site) -> None:
        """What comes while all calls are under way waits, and is asked together then."""
        async with site.under_way(*MANY[:CALLS]):
            waiting = asyncio.create_task(site.asked_by_many())
            await site.settle()
            assert len(site.memberships.calls) == CALLS

        await waiting

        assert site.memberships.calls[CALLS:] == [MANY[CALLS:]]

    async def test_no_time(self, site: Site) -> None:
        """Those for which a call had no time are asked for again."""
        await site.memory.put(MANY)
        site.memberships.told = 40

        assert await site.asked_by_many() == [True] * 100

        assert [len(call) for call in site.memberships.calls] == [100, 60, 20]

    async def test_in_turn(self, site: Site) -> None:
        """They have their turn before all that came later."""
        site.memberships.at_once, site.memberships.told = 10, 5

        await site.asked_by_many()

        assert site.memberships.calls[:2] == [MANY[:10], MANY[5:15]]

    async def test_shared(self, site: Site) -> None:
        """Whoever asks the same waits for one answer."""
        await site.memory.put([ANN])
        async with site.under_way(ANN):
            others = [asyncio.create_task(site.asks()) for _ in range(50)]
            await site.settle()

        assert all([await other for other in others])
        assert site.memberships.questions == 1

    async def test_too_many(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """More questions than are kept are refused in words, at once; those that are there already are not."""
        monkeypatch.setattr(questions, "MOST", 3)
        async with site.under_way(*MANY[:CALLS]):
            third, same = [asyncio.create_task(site.asks()) for _ in range(2)]
            await site.settle()

            with pytest.raises(TooManyQuestions, match="more than 3 questions") as raised:
                await site.asks(BEN)

        assert raised.value.status == 503
        assert not await third
        assert not await same
        assert not await site.asks(BEN)

    async def test_of_one_user(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who asks for more than any page needs is refused alone; when its answers are there it may ask again."""
        monkeypatch.setattr(questions, "MOST_OF_USER", 3)
        mine = [ANN._replace(group=f"x:{number}") for number in range(4)]
        async with site.under_way(*MANY[10 : 10 + CALLS]):
            waiting = [asyncio.create_task(site.asks(each)) for each in mine[:3]]
            await site.settle()

            with pytest.raises(TooManyQuestions, match="more than 3 questions"):
                await site.asks(mine[3])
            other = asyncio.create_task(site.asks(BEN))
            await site.settle()
            waiting[0].cancel()  # Whoever goes away makes room.
            await site.settle()
            last = asyncio.create_task(site.asks(mine[3]))

        assert not any([await task for task in (*waiting[1:], other, last)])
        assert not site.questions._users


class TestAskers:
    """Whoever asks may go away."""

    async def test_cancelled(self, site: Site) -> None:
        """It harms nobody: the call goes on, and its answer is remembered."""
        await site.memory.put([ANN])
        async with site.under_way(ANN) as (first,):
            other = asyncio.create_task(site.asks())
            await site.settle()
            first.cancel()
            await site.settle()

        assert await other
        assert await site.asks()
        assert site.memberships.questions == 1

    async def test_all_gone(self, site: Site) -> None:
        """What nobody waits for any more is not asked."""
        async with site.under_way(*MANY[:CALLS]):
            gone, stays = [asyncio.create_task(site.asks(each)) for each in (ANN, BEN)]
            await site.settle()
            gone.cancel()
            await site.settle()

        assert not await stays
        assert ANN not in [each for call in site.memberships.calls[CALLS:] for each in call]

    async def test_waited_long_enough(self) -> None:
        """A question that was not answered in time is answered with 503."""
        site = Site(timeout=0.01, max_wait=0.01)

        with pytest.raises(Unavailable):
            await site.asks()

    async def test_ended(self) -> None:
        """When the service ends, those who wait are told."""
        site = Site()
        async with running(site):
            site.memberships.answering.clear()
            asked = asyncio.create_task(site.asks())
            await site.memberships.asked.wait()

        with pytest.raises(Unavailable):
            await asked


class TestAway:
    """The memberships are away."""

    async def test_while_fresh(self, site: Site) -> None:
        """What counts decides, and then nobody is let in, nor told that they may not be."""
        await site.memory.put([ANN])
        assert await site.asks()
        site.memberships.is_away = True

        site.now += 59.0
        assert await site.asks()
        site.now += 1.0
        with pytest.raises(Unavailable):
            await site.asks()

    async def test_back(self, site: Site) -> None:
        """A failure is not remembered."""
        site.memberships.is_away = True
        with pytest.raises(Unavailable):
            await site.asks()

        site.memberships.is_away = False

        assert not await site.asks()

    async def test_slow(self) -> None:
        """A backend that does not answer a call in time is away, long before the question's own time is over."""
        async with running(Site(timeout=0.01, max_wait=3600.0)) as site:
            site.memberships.answering.clear()

            with pytest.raises(Unavailable):
                await site.asks()

    async def test_hard_to_give_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who waits is told on time, though the call takes longer to end; what comes then is told when it has."""
        site, ending = Site(timeout=0.01, max_wait=3600.0), asyncio.Event()

        async def ask(_: object) -> dict[Membership, bool | None]:
            try:
                await asyncio.Event().wait()
            finally:
                await ending.wait()
            return {}

        monkeypatch.setattr(site.memberships, "ask", ask)
        async with running(site):
            for _ in range(CALLS):
                with pytest.raises(Unavailable):
                    await site.asks()
            late = asyncio.create_task(site.asks())
            await site.settle()
            assert not late.done()

            ending.set()

            with pytest.raises(Unavailable):
                await late

    async def test_too_late(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An answer that came when who asked was told already is not remembered: nobody noted what overtook it."""
        site = Site(timeout=0.01, max_wait=3600.0)

        async def ask(memberships: list[Membership]) -> dict[Membership, bool | None]:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return dict.fromkeys(memberships, True)

        monkeypatch.setattr(site.memberships, "ask", ask)
        async with running(site):
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await site.asks()
                await site.settle()

    async def test_told_to_all(self, site: Site) -> None:
        """Who waits behind a call that fails is not left waiting for more that do."""
        site.memberships.is_away = True
        site.memberships.at_once = 1

        answers = await site.asked_by_many()

        assert all(isinstance(answer, Unavailable) for answer in answers)
        assert len(site.memberships.calls) <= CALLS

    async def test_for_one(self, site: Site) -> None:
        """Where the backend fails for one, the others get their answers, and nobody that of another."""
        await site.memory.put(MANY)
        site.memberships.broken = {MANY[3]}

        answers = await site.asked_by_many()

        assert isinstance(answers.pop(3), Unavailable)
        assert answers == [True] * 99

    async def test_ours(self, site: Site) -> None:
        """A fault of ours is logged, lets nobody in, and ends no other question."""
        site.memberships.fault = KeyError("ours")
        with capture_logs() as logs, pytest.raises(Unavailable):
            await site.asks()
        site.memberships.fault = None

        assert not await site.asks()
        assert [(line["event"], line["log_level"]) for line in logs] == [
            ("memberships.failed", "error")
        ]


class TestChanges:
    """An answer is forgotten when a change is heard of."""

    @pytest.mark.parametrize("change,count", [(Put(ANN), 3), (Removed(ANN, 0.0), 3), (Missed(), 4)])
    async def test_forgotten(self, site: Site, change: Put | Removed | Missed, count: int) -> None:
        """A change touches its own membership; after missed ones all are asked for again."""
        await site.asks()
        await site.asks(BEN)

        site.questions.heed(change)
        await site.asks()
        await site.asks(BEN)

        assert site.memberships.questions == count

    @pytest.mark.parametrize("change", [Removed(ANN, 0.0), Missed()])
    async def test_overtaken(self, site: Site, change: Removed | Missed) -> None:
        """An answer that was on its way when the change came is that of before: it is asked for again."""
        await site.memory.put([ANN])
        async with site.under_way(ANN) as (asked,):
            await site.memory.remove([ANN])
            site.questions.heed(change)
            late = asyncio.create_task(site.asks())
            await site.settle()

        assert not await asked
        assert not await late
        assert not await site.asks()
        assert site.memberships.questions == 2

    async def test_overtaken_and_gone(self, site: Site) -> None:
        """An answer that was overtaken is not remembered, though nobody waits for it any more."""
        await site.memory.put([ANN])
        async with site.under_way(ANN) as (asked,):
            await site.memory.remove([ANN])
            site.questions.heed(Removed(ANN, 0.0))
            asked.cancel()
            await site.settle()
        await site.settle()

        assert not await site.asks()

    async def test_others(self, site: Site) -> None:
        """A change of another membership overtakes nothing."""
        async with site.under_way(ANN) as (asked,):
            site.questions.heed(Removed(BEN, 0.0))

        await asked
        assert site.memberships.questions == 1

    async def test_while_waiting(self, site: Site) -> None:
        """A question that was not asked yet is asked once: its answer is that of after."""
        await site.memory.put([BEN])
        async with site.under_way(*MANY[:CALLS]):
            late = asyncio.create_task(site.asks(MANY[10]))
            await site.settle()
            site.questions.heed(Removed(MANY[10], 0.0))

        await late
        assert site.memberships.calls[CALLS:] == [[MANY[10]]]
