"""The contract of `sightings.Sightings`, on memory and on PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from libs.common.channels import MAX_USER_ID
from libs.common.sightings.port import AT_ONCE, Sightings, Trail
from libs.common.sightings.summary import Sighting, Span, Summary, summarised
from tests.support.ports.sightings import MEMORY, opened_sightings

T = 1_764_000_000.0  # UTC epoch seconds.
EMOJI = "\N{GRINNING FACE}" * MAX_USER_ID

Both = tuple[Sightings, Sightings]


@pytest.fixture(params=[MEMORY, "database_url"], ids=["memory", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """Name the backend."""
    return MEMORY if request.param == MEMORY else str(request.getfixturevalue(request.param))


@pytest.fixture
async def both(url: str) -> AsyncIterator[Both]:
    """Yield sightings as two processes have them."""
    async with opened_sightings(url) as both:
        yield both


@pytest.fixture
def one(both: Both) -> Sightings:
    """Return the sightings as the first process has them."""
    return both[0]


def told(*transitions: tuple[str, float], user: str = "7", app: str = "1") -> list[Summary]:
    """Fold what happened to a user: ``+`` comes, ``-`` goes, in seconds after `T`."""
    sightings = [Sighting(app, user, T + at, sign == "+") for sign, at in transitions]
    return list(summarised(sightings).values())


class TestNote:
    """What is noted is kept, and is there for every process."""

    async def test_came(self, both: Both) -> None:
        await both[0].note(told(("+", 1.5)))

        assert await both[1].trail("1", "7", limit=10) == Trail(T + 1.5, T + 1.5)

    async def test_came_and_went(self, both: Both) -> None:
        """A span ends where the user went, whether that is told together or not."""
        await both[0].note(told(("+", 1), ("-", 2), ("+", 3)))
        await both[0].note(told(("-", 4), ("+", 5), ("-", 6)))

        assert await both[1].trail("1", "7", limit=10) == Trail(
            T + 6, None, (Span(T + 5, T + 6), Span(T + 3, T + 4), Span(T + 1, T + 2))
        )

    async def test_again(self, one: Sightings) -> None:
        """What was noted may be noted again, from any transition on, and in other parts."""
        every = [("+", 1.0), ("-", 2.0), ("+", 3.0), ("-", 4.0), ("+", 5.0)]
        await one.note(told(*every[:3]))
        await one.note(told(*every[3:]))
        before = await one.trail("1", "7", limit=10)

        for start in range(len(every)):
            await one.note(told(*every[start:]))
            for each in every[start:]:
                await one.note(told(each))

        assert await one.trail("1", "7", limit=10) == before
        assert before == Trail(T + 5, T + 5, (Span(T + 3, T + 4), Span(T + 1, T + 2)))

    async def test_late(self, one: Sightings) -> None:
        """What is older than what is known changes nothing: whoever notes it was fenced off."""
        await one.note(told(("+", 1), ("-", 9)))
        await one.note(told(("+", 5)))

        assert await one.trail("1", "7", limit=10) == Trail(T + 9, None, (Span(T + 1, T + 9),))

    async def test_departure_lost(self, one: Sightings) -> None:
        """Of somebody who comes without having gone, no span is made up."""
        await one.note(told(("+", 1)))
        await one.note(told(("+", 5)))

        assert await one.trail("1", "7", limit=10) == Trail(T + 5, T + 5)

    async def test_arrival_lost(self, one: Sightings) -> None:
        await one.note(told(("-", 5)))

        assert await one.trail("1", "7", limit=10) == Trail(T + 5)

    async def test_many(self, one: Sightings) -> None:
        """As many users as may be are noted at once, and nobody is no fault."""
        await one.note([])
        await one.note([told(("+", 1), user=str(number))[0] for number in range(AT_ONCE)])
        await one.note([told(("-", 2), user=str(number))[0] for number in range(AT_ONCE)])

        last = await one.last_seen("1", [str(number) for number in range(AT_ONCE)])
        assert (len(last), set(last.values())) == (AT_ONCE, {T + 2})


class TestLastSeen:
    """When users last came or went."""

    async def test_some(self, one: Sightings) -> None:
        """Who was never seen is missing, also a user of another app."""
        await one.note([*told(("+", 1)), *told(("-", 2), user="8"), *told(("+", 3), app="2")])

        last = await one.last_seen("1", ["7", "8", "9", EMOJI, "a\x00", "\ud800", ""])

        assert last == {"7": T + 1, "8": T + 2}

    async def test_longest(self, one: Sightings) -> None:
        await one.note(told(("+", 1), user=EMOJI))

        assert await one.last_seen("1", [EMOJI]) == {EMOJI: T + 1}


class TestTrail:
    """All that is kept of a user."""

    async def test_nobody(self, one: Sightings) -> None:
        await one.note(told(("+", 1)))

        assert await one.trail("1", "8", limit=10) is None
        assert await one.trail("2", "7", limit=10) is None

    async def test_limit(self, one: Sightings) -> None:
        """The newest spans are told."""
        await one.note(told(("+", 1), ("-", 2), ("+", 3), ("-", 4)))

        assert await one.trail("1", "7", limit=1) == Trail(T + 4, None, (Span(T + 3, T + 4),))


class TestErase:
    """A user is forgotten."""

    async def test_erased(self, both: Both) -> None:
        await both[0].note([*told(("+", 1), ("-", 2)), *told(("+", 1), user="8")])

        assert await both[1].erase("1", "7")

        assert await both[0].trail("1", "7", limit=10) is None
        assert await both[0].last_seen("1", ["7", "8"]) == {"8": T + 1}
        assert not await both[1].erase("1", "7")

    async def test_seen_again(self, one: Sightings) -> None:
        await one.note(told(("+", 1)))
        await one.erase("1", "7")

        await one.note(told(("-", 2)))

        assert await one.trail("1", "7", limit=10) == Trail(T + 2)


class TestForget:
    """What is old is forgotten, a part at a time."""

    async def test_spans(self, one: Sightings) -> None:
        await one.note(told(("+", 1), ("-", 2), ("+", 3), ("-", 4), ("+", 5)))

        assert await one.forget(seen_before=T, spans_before=T + 4, limit=10) == 1

        assert await one.trail("1", "7", limit=10) == Trail(T + 5, T + 5, (Span(T + 3, T + 4),))
        assert await one.forget(seen_before=T, spans_before=T + 4, limit=10) == 0

    async def test_users(self, one: Sightings) -> None:
        """Spans that are younger stay, and tell when their user was last seen."""
        await one.note([*told(("+", 1), ("-", 2)), *told(("-", 3), user="8")])

        assert await one.forget(seen_before=T + 3, spans_before=T, limit=10) == 1

        assert await one.last_seen("1", ["7", "8"]) == {"8": T + 3}
        assert await one.trail("1", "7", limit=10) == Trail(T + 2, None, (Span(T + 1, T + 2),))

    async def test_limit(self, one: Sightings) -> None:
        await one.note([told(("+", 1), ("-", 2), user=str(number))[0] for number in range(5)])
        counts = [
            await one.forget(seen_before=T + 9, spans_before=T + 9, limit=2) for _ in range(4)
        ]

        assert counts == [4, 4, 2, 0]
