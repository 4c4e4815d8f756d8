"""Questions while memberships are away, or change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from libs.common.errors import Unavailable
from libs.common.memberships.membership import Membership, Missed, Put, Removed
from services.auth.memberships.lookups import CALLS
from tests.unit.auth.memberships.asking import ANN, BEN, MANY, Site, running


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running(Site()) as site:
        yield site


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

        site.lookups.heed(change)
        await site.asks()
        await site.asks(BEN)

        assert site.memberships.questions == count

    @pytest.mark.parametrize("change", [Removed(ANN, 0.0), Missed()])
    async def test_overtaken(self, site: Site, change: Removed | Missed) -> None:
        """An answer that was on its way when the change came is that of before: it is asked for again."""
        await site.memory.put([ANN])
        async with site.under_way(ANN) as (asked,):
            await site.memory.remove([ANN])
            site.lookups.heed(change)
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
            site.lookups.heed(Removed(ANN, 0.0))
            asked.cancel()
            await site.settle()
        await site.settle()

        assert not await site.asks()

    async def test_others(self, site: Site) -> None:
        """A change of another membership overtakes nothing."""
        async with site.under_way(ANN) as (asked,):
            site.lookups.heed(Removed(BEN, 0.0))

        await asked
        assert site.memberships.questions == 1

    async def test_while_waiting(self, site: Site) -> None:
        """A question that was not asked yet is asked once: its answer is that of after."""
        await site.memory.put([BEN])
        async with site.under_way(*MANY[:CALLS]):
            late = asyncio.create_task(site.asks(MANY[10]))
            await site.settle()
            site.lookups.heed(Removed(MANY[10], 0.0))

        await late
        assert site.memberships.calls[CALLS:] == [[MANY[10]]]
