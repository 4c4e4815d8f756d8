"""What is kept of users is forgotten when it is old."""

import asyncio

import pytest
from structlog.testing import capture_logs

from libs.common.channels import Channel
from libs.common.marks.mark import Mark
from libs.common.marks.memory import MemoryMarks
from libs.common.marks.port import Reading
from libs.common.sightings.summary import Sighting, Span, summarised
from services.presence.users import retention
from services.presence.users.retention import DAY, marks_retention, sightings_retention
from tests.support.deadline import DEADLINE
from tests.support.fakes.clock import Clock
from tests.support.ports.sightings import FaultySightings

NOW = 1_764_000_000.0
CHANNEL = Channel("1", "private-chat.7")


@pytest.fixture
async def sightings() -> FaultySightings:
    """Return sightings of a user who came and went each day at noon, for ten days until yesterday."""
    sightings = FaultySightings()
    for day in range(10, 0, -1):
        at = NOW - day * DAY
        span = Sighting("1", "7", at, is_online=True), Sighting("1", "7", at + 60, is_online=False)
        await sightings.note(tuple(summarised(span).values()))
    return sightings


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.now = NOW
    return clock


class TestForget:
    """Days after it was."""

    async def test_spans(self, sightings: FaultySightings, clock: Clock) -> None:
        kept = sightings_retention(sightings, keep_last_seen=90, keep_spans=2, clock=clock)

        assert await kept.forget() == 8

        trail = await sightings.trail("1", "7", limit=10)
        assert trail is not None
        assert trail.spans == tuple(Span(NOW - day * DAY, NOW - day * DAY + 60) for day in (1, 2))

    async def test_users(self, sightings: FaultySightings, clock: Clock) -> None:
        kept = sightings_retention(sightings, keep_last_seen=90, keep_spans=30, clock=clock)
        clock.now += 90 * DAY

        assert await kept.forget() == 11
        assert await sightings.trail("1", "7", limit=10) is None

    async def test_parts(
        self, sightings: FaultySightings, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However much is old, it goes in parts; how much it was is told in one line."""
        monkeypatch.setattr(retention, "PART", 3)
        monkeypatch.setattr(retention, "PAUSE", 0.0)
        kept = sightings_retention(sightings, keep_last_seen=90, keep_spans=0, clock=clock)

        with capture_logs() as logs:
            assert await kept.forget() == 10

        assert logs == [{"event": "sightings.pruned", "log_level": "info", "number": 10}]

    async def test_nothing(self, sightings: FaultySightings, clock: Clock) -> None:
        kept = sightings_retention(sightings, keep_last_seen=90, keep_spans=30, clock=clock)

        with capture_logs() as logs:
            assert await kept.forget() == 0

        assert logs == []


class TestMarks:
    """Marks that nobody told again for so many days."""

    async def test_old(self) -> None:
        """One that was told within the time stays."""
        then = Clock()
        marks = MemoryMarks(10, clock=then)
        then.now = NOW - 366 * DAY
        await marks.move([Reading(CHANNEL, user, Mark(1)) for user in ("7", "8")])
        then.now = NOW - DAY
        await marks.move([Reading(CHANNEL, "8", Mark(1))])
        then.now = NOW

        with capture_logs() as logs:
            assert await marks_retention(marks, keep=365, clock=then).forget() == 1

        assert await marks.page(CHANNEL, after="", limit=9) == [("8", Mark(1))]
        assert logs == [{"event": "marks.pruned", "log_level": "info", "number": 1}]


async def test_away(sightings: FaultySightings, clock: Clock) -> None:
    """While they are away it is tried again."""
    sightings.is_away = True
    kept = sightings_retention(sightings, keep_last_seen=0, keep_spans=0, clock=clock)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(kept.run())
        await asyncio.sleep(0)
        sightings.is_away = False
        async with asyncio.timeout(DEADLINE):
            while await sightings.trail("1", "7", limit=1) is not None:
                await asyncio.sleep(0.01)
        task.cancel()
