"""What is kept of users is forgotten when it is old."""

import asyncio

import pytest
from structlog.testing import capture_logs

from libs.common.sightings.summary import Sighting, Span, summarised
from services.presence.users import retention
from services.presence.users.retention import DAY, Retention
from tests.support.deadline import DEADLINE
from tests.support.fakes.clock import Clock
from tests.support.ports.sightings import FaultySightings

NOW = 1_764_000_000.0


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
        kept = Retention(sightings, keep_last_seen=90, keep_spans=2, clock=clock)

        assert await kept.forget() == 8

        trail = await sightings.trail("1", "7", limit=10)
        assert trail is not None
        assert trail.spans == tuple(Span(NOW - day * DAY, NOW - day * DAY + 60) for day in (1, 2))

    async def test_users(self, sightings: FaultySightings, clock: Clock) -> None:
        kept = Retention(sightings, keep_last_seen=90, keep_spans=30, clock=clock)
        clock.now += 90 * DAY

        assert await kept.forget() == 11
        assert await sightings.trail("1", "7", limit=10) is None

    async def test_parts(
        self, sightings: FaultySightings, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However much is old, it goes in parts; how much it was is told in one line."""
        monkeypatch.setattr(retention, "PART", 3)
        monkeypatch.setattr(retention, "PAUSE", 0.0)
        kept = Retention(sightings, keep_last_seen=90, keep_spans=0, clock=clock)

        with capture_logs() as logs:
            assert await kept.forget() == 10

        assert logs == [{"event": "sightings.pruned", "log_level": "info", "number": 10}]

    async def test_nothing(self, sightings: FaultySightings, clock: Clock) -> None:
        kept = Retention(sightings, keep_last_seen=90, keep_spans=30, clock=clock)

        with capture_logs() as logs:
            assert await kept.forget() == 0

        assert logs == []


async def test_away(sightings: FaultySightings, clock: Clock) -> None:
    """While they are away it is tried again."""
    sightings.is_away = True
    kept = Retention(sightings, keep_last_seen=0, keep_spans=0, clock=clock)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(kept.run())
        await asyncio.sleep(0)
        sightings.is_away = False
        async with asyncio.timeout(DEADLINE):
            while await sightings.trail("1", "7", limit=1) is not None:
                await asyncio.sleep(0.01)
        task.cancel()
