"""The contract of `memberships.Memberships`, on memory and on PostgreSQL."""

import time
from collections.abc import AsyncIterator

import pytest

from libs.common.channels import MAX_USER_ID
from libs.common.memberships.membership import MAX_NAME, BadName, Membership, Put, Removed
from libs.common.memberships.port import Memberships
from tests.support.ports.memberships import (
    ANN,
    BEN,
    MEMORY,
    OTHER,
    Deployment,
    deployment,
    heard,
    interrupted,
)

LONG = "\N{GRINNING FACE}" * MAX_NAME


@pytest.fixture(params=[MEMORY, "database_url"], ids=["memory", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """Name the backend."""
    return MEMORY if request.param == MEMORY else str(request.getfixturevalue(request.param))


@pytest.fixture
async def site(url: str) -> AsyncIterator[Deployment]:
    """Yield a deployment without memberships."""
    async with deployment(url) as site:
        yield site


@pytest.fixture
def memberships(site: Deployment) -> Memberships:
    """Return the memberships as the first process has them."""
    return site.one


class TestHas:
    """What was put or removed is seen by every `has` that begins later, in any process."""

    async def test_put(self, site: Deployment) -> None:
        assert not await site.other.has(ANN)

        await site.one.put([ANN])

        assert await site.one.has(ANN)
        assert await site.other.has(ANN)

    @pytest.mark.parametrize("membership", [BEN, OTHER, ANN._replace(group="company:55")])
    async def test_others(self, memberships: Memberships, membership: Membership) -> None:
        """A membership is that of one user of one app in one group."""
        await memberships.put([ANN])

        assert not await memberships.has(membership)

    async def test_removed(self, site: Deployment) -> None:
        await site.one.put([ANN, BEN])

        await site.one.remove([ANN])

        assert not await site.other.has(ANN)
        assert await site.other.has(BEN)

    @pytest.mark.parametrize("name", ["", "a\x00", "\ud800", LONG + "x"])
    async def test_unkeepable(self, memberships: Memberships, name: str) -> None:
        """Nobody belongs to what cannot be kept."""
        assert not await memberships.has(ANN._replace(group=name))


class TestAsk:
    """Many are asked for at once."""

    async def test_some(self, site: Deployment) -> None:
        """Each has its own answer."""
        await site.one.put([ANN, OTHER])

        assert await site.other.ask([OTHER, BEN, ANN]) == {OTHER: True, BEN: False, ANN: True}

    async def test_as_many_as_may_be(self, memberships: Memberships) -> None:
        many = [ANN._replace(user=str(number)) for number in range(memberships.at_once)]
        await memberships.put(many[::3])

        answers = await memberships.ask(many)

        assert [each for each in many if answers[each]] == many[::3]

    async def test_none(self, memberships: Memberships) -> None:
        assert await memberships.ask([]) == {}

    @pytest.mark.parametrize("name", ["", "a\x00", "\ud800", LONG + "x"])
    async def test_unkeepable(self, memberships: Memberships, name: str) -> None:
        """One that cannot be kept is not there, and spoils no other."""
        bad = ANN._replace(user=name)
        await memberships.put([ANN, BEN])

        assert await memberships.ask([ANN, bad, BEN]) == {ANN: True, bad: False, BEN: True}
        assert await memberships.ask([bad]) == {bad: False}

    async def test_twice(self, memberships: Memberships) -> None:
        await memberships.put([ANN])

        assert await memberships.ask([ANN, BEN, ANN]) == {ANN: True, BEN: False}


class TestChanged:
    """Both are idempotent, and tell how much they changed."""

    async def test_put(self, memberships: Memberships) -> None:
        assert await memberships.put([ANN, BEN]) == 2
        assert await memberships.put([ANN, OTHER]) == 1
        assert await memberships.put([ANN]) == 0

    async def test_removed(self, memberships: Memberships) -> None:
        await memberships.put([ANN, BEN])

        assert await memberships.remove([ANN, OTHER]) == 1
        assert await memberships.remove([ANN]) == 0

    async def test_twice_at_once(self, memberships: Memberships) -> None:
        """A membership that is named twice counts once."""
        assert await memberships.put([ANN, ANN]) == 1
        assert await memberships.remove([ANN, ANN]) == 1

    async def test_none(self, memberships: Memberships) -> None:
        assert await memberships.put([]) == 0
        assert await memberships.remove([]) == 0

    @pytest.mark.parametrize("part", Membership._fields)
    @pytest.mark.parametrize("name", ["", "a\x00", "a\n", "\ud800", "x" * (MAX_NAME + 1)])
    async def test_refused(self, memberships: Memberships, part: str, name: str) -> None:
        """A name that cannot be kept is refused, and nothing beside it is done."""
        bad = ANN._replace(**{part: name})

        with pytest.raises(BadName, match=f"a membership's {part} is"):
            await memberships.put([BEN, bad])
        with pytest.raises(BadName):
            await memberships.remove([bad])

        assert not await memberships.has(BEN)

    async def test_longest(self, memberships: Memberships) -> None:
        """The longest names are kept, in any script."""
        longest = Membership(LONG, LONG[:MAX_USER_ID], '"' * MAX_NAME)

        assert await memberships.put([longest]) == 1
        assert await memberships.has(longest)


class TestOf:
    """The groups of a user."""

    async def test_of(self, memberships: Memberships) -> None:
        await memberships.put([ANN._replace(group="b"), ANN._replace(group="a"), BEN, OTHER])

        assert await memberships.of("1", "7") == ("a", "b")
        assert await memberships.of("1", "9") == ()


class TestChanges:
    """Every listener is told of every change, once, in the order in which they were made."""

    async def test_told(self, site: Deployment) -> None:
        async with site.other.changes() as listener, site.one.changes() as second:
            if site.url != MEMORY:
                await interrupted(listener)
                await interrupted(second)

            await site.one.put([ANN])
            await site.one.put([ANN])
            await site.one.remove([ANN])
            await site.one.remove([ANN])
            await site.one.put([BEN])

            for each in (listener, second):
                assert await heard(each, 3) == [Put(ANN), Removed(ANN, 0.0), Put(BEN)]

    async def test_nobody_listened(self, site: Deployment) -> None:
        """A removal while nobody listens is told to every listener that begins, and to those that listen once."""
        began = time.time()
        await site.one.put([ANN, BEN])
        await site.one.remove([ANN])

        async with site.other.changes() as listener, site.one.changes() as second:
            for each in (listener, second):
                (removed,) = await heard(each, 1)
                assert isinstance(removed, Removed)
                assert removed.membership == ANN
                assert began <= removed.at <= time.time()

            await site.one.remove([BEN])
            for each in (listener, second):
                assert await heard(each, 1) == [Removed(BEN, 0.0)]

    async def test_nothing(self, memberships: Memberships) -> None:
        """A wait ends when its time is over."""
        async with memberships.changes() as listener:
            await listener.receive(0.5)

            assert await listener.receive(0.01) == []

    async def test_longest(self, site: Deployment) -> None:
        """The longest names are told as they are."""
        longest = Membership(LONG, LONG[:MAX_USER_ID], LONG)
        async with site.other.changes() as listener:
            if site.url != MEMORY:
                await interrupted(listener)

            await site.one.put([longest])

            assert await heard(listener, 1) == [Put(longest)]

    async def test_failure(self, memberships: Memberships) -> None:
        """What fails while somebody listens fails as it would elsewhere."""
        with pytest.raises(KeyError):
            async with memberships.changes():
                raise KeyError
