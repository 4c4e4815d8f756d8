"""Questions about memberships: what is remembered, what is asked together, and who waits for whom."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.common.errors import Unavailable
from services.auth.memberships.lookups import CALLS, TooManyQuestions
from tests.unit.auth.memberships.asking import ANN, BEN, MANY, Site, running


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running(Site()) as site:
        yield site


class TestRemembered:
    """An answer counts for `auth.memberships.answers` seconds."""

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

    async def test_too_many(self) -> None:
        """More questions than may wait are refused at once; those that are there already are not."""
        async with running(Site({"most": 3})) as site:
            async with site.under_way(*MANY[:CALLS]):
                third, same = [asyncio.create_task(site.asks()) for _ in range(2)]
                await site.settle()

                with pytest.raises(TooManyQuestions, match="more than 3 questions") as raised:
                    await site.asks(BEN)

            assert raised.value.status == 503
            assert not await third
            assert not await same
            assert not await site.asks(BEN)

    async def test_of_one_user(self) -> None:
        """Who asks for more than any page needs is refused alone, until it has its answers."""
        mine = [ANN._replace(group=f"x:{number}") for number in range(4)]
        async with (
            running(Site({"most_of_user": 3})) as site,
            site.under_way(*MANY[10 : 10 + CALLS]),
        ):
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
        assert site.lookups.users == 0


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
