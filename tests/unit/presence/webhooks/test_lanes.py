"""The order in which a webhook is told."""

import asyncio
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from libs.common.lifecycle.facts import Fact, Recorded, Stream
from services.presence.webhooks.lanes import Lanes, Turn
from tests.support.deadline import DEADLINE

NOW = 1_700_000_000.0
DELAY = 3.0


class Times:
    """Two clocks that go together."""

    def __init__(self) -> None:
        self.passed = 0.0
        self._numbers = count(1)

    def clock(self) -> float:
        return NOW + self.passed

    def timer(self) -> float:
        return self.passed

    def record(self, kind: Any, channel: str = "", user: str = "", *, age: float = 0.0) -> Recorded:
        fact = Fact(kind=kind, app="1", channel=channel, user=user, at=self.clock() - age)
        return Recorded(Stream("1", 0), next(self._numbers), "e", fact)


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def lanes(times: Times) -> Lanes:
    return Lanes(DELAY, clock=times.clock, timer=times.timer)


def subjects(turns: list[Turn]) -> list[tuple[str, str]]:
    return [turn.subject for turn in turns]


class TestOrder:
    """Each channel and each user has a lane."""

    def test_subjects(self, lanes: Lanes, times: Times) -> None:
        """A member's facts are in the lane of the channel, what is about a user alone in that of the user."""
        turns = lanes.enter(
            [
                times.record("member_added", "presence-a", "7"),
                times.record("user_online", user="7"),
                times.record("member_removed", "presence-a", "8"),
            ]
        )

        assert subjects(turns) == [("presence-a", ""), ("", "7")]
        assert len(turns[0].items) == 2

    async def test_one_after_the_other(self, lanes: Lanes, times: Times) -> None:
        (first,) = lanes.enter([times.record("cache_miss", "a")])
        second, other = lanes.enter(
            [times.record("cache_miss", "a"), times.record("cache_miss", "b")]
        )
        waiting = asyncio.ensure_future(lanes.come(second))
        async with asyncio.timeout(DEADLINE):
            await lanes.come(first)
            await lanes.come(other)
            assert not waiting.done()

            lanes.leave(first)

            await waiting

    async def test_left_before_it_came(self, lanes: Lanes, times: Times) -> None:
        """Who is cancelled keeps nobody waiting."""
        (first,) = lanes.enter([times.record("cache_miss", "a")])
        lanes.leave(first)
        lanes.leave(first)
        (second,) = lanes.enter([times.record("cache_miss", "a")])

        assert second.before is None


class TestVacated:
    """Pusher: delayed for up to 3 s, and cancelled if somebody comes back."""

    async def test_stands(self, times: Times) -> None:
        """Nobody comes, so it is said when the time is over."""
        lanes = Lanes(0.01, clock=times.clock, timer=times.timer)
        (turn,) = lanes.enter([times.record("channel_vacated", "a")])
        ((_, held),) = turn.items

        async with asyncio.timeout(DEADLINE):
            assert await lanes.stands(held)

    async def test_returned(self, lanes: Lanes, times: Times) -> None:
        """Neither is said; and this is known at once."""
        (turn,) = lanes.enter([times.record("channel_vacated", "a")])
        ((_, held),) = turn.items

        assert lanes.enter([times.record("channel_occupied", "a")]) == []

        assert not await lanes.stands(held)

    async def test_within_a_page(self, lanes: Lanes, times: Times) -> None:
        (turn,) = lanes.enter(
            [
                times.record("channel_vacated", "a"),
                times.record("channel_occupied", "a"),
                times.record("channel_vacated", "a"),
            ]
        )
        (_, first), (_, second) = turn.items

        assert not await lanes.stands(first)
        assert second is not None
        assert not second.is_over

    def test_held_before_a_gap(self, lanes: Lanes, times: Times) -> None:
        """What is held before a gap takes nothing with it that comes after the gap."""
        lanes.enter([times.record("channel_vacated", "a")])
        lanes.enter([replace(times.record("channel_vacated", "a"), after_gap=True)])

        (turn,) = lanes.enter([times.record("channel_occupied", "a")])

        assert [record.fact.kind for record, _ in turn.items] == ["channel_occupied"]

    def test_after_gap(self, lanes: Lanes, times: Times) -> None:
        """Where nobody may have been told that it was occupied, both are said: neither is held."""
        vacated = replace(times.record("channel_vacated", "a"), after_gap=True)
        turns = lanes.enter([vacated])
        turns += lanes.enter([times.record("channel_occupied", "a")])

        assert [held for turn in turns for _, held in turn.items] == [None, None]

    def test_another(self, lanes: Lanes, times: Times) -> None:
        """It concerns that channel alone."""
        lanes.enter([times.record("channel_vacated", "a")])

        assert subjects(lanes.enter([times.record("channel_occupied", "b")])) == [("b", "")]

    async def test_too_late(self, times: Times) -> None:
        """Once it is said, the next one is said too."""
        lanes = Lanes(0.01, clock=times.clock, timer=times.timer)
        (turn,) = lanes.enter([times.record("channel_vacated", "a")])
        ((_, held),) = turn.items
        async with asyncio.timeout(DEADLINE):
            assert await lanes.stands(held)

        assert lanes.enter([times.record("channel_occupied", "a")])

    def test_old(self, lanes: Lanes, times: Times) -> None:
        """What became so long ago is not held once more."""
        (turn,) = lanes.enter([times.record("channel_vacated", "a", age=DELAY)])
        ((_, held),) = turn.items

        assert held is None

    def test_forgotten(self, lanes: Lanes, times: Times) -> None:
        """What comes again after it was given up is judged anew."""
        (turn,) = lanes.enter([times.record("channel_vacated", "a")])
        lanes.leave(turn)

        assert lanes.enter([times.record("channel_occupied", "a")])

    def test_others(self, lanes: Lanes, times: Times) -> None:
        (turn,) = lanes.enter([times.record("member_removed", "presence-a", "7")])

        assert [held for _, held in turn.items] == [None]
