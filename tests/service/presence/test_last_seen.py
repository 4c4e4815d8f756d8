"""The sink that stores when users come and go, with sightings that come and go themselves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import Fact, Kind, Recorded, Stream
from libs.common.sightings.port import Trail
from libs.common.sightings.summary import Span
from services.presence.users import last_seen
from services.presence.users.last_seen import LastSeen
from services.presence.users.pending import PendingSightings
from tests.support.deadline import DEADLINE
from tests.support.fakes.clock import Clock
from tests.support.ports.sightings import FaultySightings


def record(kind: Kind, user: str, at: float, *, partition: int = 0, number: int = 1) -> Recorded:
    """Make a record of a fact about a user."""
    return Recorded(Stream("1", partition), number, "e", Fact(kind=kind, app="1", at=at, user=user))


def storm(partition: int, users: Sequence[int]) -> list[Recorded]:
    """Let users of one partition go offline."""
    return [record("user_offline", str(user), 2.0, partition=partition) for user in users]


@pytest.fixture
def sightings() -> FaultySightings:
    return FaultySightings()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sink(sightings: FaultySightings, clock: Clock) -> LastSeen:
    return LastSeen(sightings, PendingSightings(keeps_spans=True, most_users=10_240), clock=clock)


@asynccontextmanager
async def running(sink: LastSeen) -> AsyncIterator[None]:
    """Run a sink while the context is open."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(sink.run())
        try:
            yield
        finally:
            task.cancel()


async def trail(sightings: FaultySightings, user: str = "7") -> Trail | None:
    return await sightings.inner.trail("1", user, limit=10)


class TestTake:
    """Facts are stored when `take` returns."""

    async def test_stored(self, sink: LastSeen, sightings: FaultySightings) -> None:
        await sink.take([record("user_online", "7", 1.0), record("user_offline", "7", 2.0)])

        assert await trail(sightings) == Trail(2.0, None, (Span(1.0, 2.0),))

    async def test_others(self, sink: LastSeen, sightings: FaultySightings) -> None:
        """Facts about channels mean nothing here, nor an id that no user has."""
        await sink.take([record("member_added", "7", 1.0), record("user_online", "a\x00", 1.0)])

        assert sightings.noted == []

    async def test_without_spans(self, sightings: FaultySightings) -> None:
        sink = LastSeen(sightings, PendingSightings(keeps_spans=False))

        await sink.take([record("user_online", "7", 1.0)])
        await sink.take([record("user_offline", "7", 2.0)])

        assert await trail(sightings) == Trail(2.0)

    async def test_storm(self, sink: LastSeen, sightings: FaultySightings) -> None:
        """Ten thousand users who leave at once, from all streams, are a few calls."""
        async with asyncio.TaskGroup() as tasks:
            for partition in range(64):
                users = range(partition * 160, (partition + 1) * 160)
                tasks.create_task(sink.take(storm(partition, users)))

        assert sum(sightings.noted) == 64 * 160
        assert len(sightings.noted) <= 3
        assert (sink.stored, sink.waiting, sink.dropped) == (64 * 160, 0, 0)
        assert sink.seconds.count >= 1


class TestAway:
    """The sightings are away."""

    async def test_at_first(self, sink: LastSeen, sightings: FaultySightings) -> None:
        """Facts stay where they are: the same ones come again, and are stored then."""
        sightings.is_away = True
        facts = [record("user_online", "7", 1.0)]
        async with running(sink):
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await sink.take(facts)
            sightings.is_away = False
            await returned(sink)

            await sink.take(facts)

        assert await trail(sightings) == Trail(1.0, 1.0)

    async def test_for_long(self, sink: LastSeen, sightings: FaultySightings, clock: Clock) -> None:
        """After a while they are taken, and wait; the newest of each user is stored in the end."""
        sightings.is_away = True
        with pytest.raises(Unavailable):
            await sink.take([record("user_online", "7", 1.0)])
        clock.now += last_seen.PATIENCE

        await sink.take([record("user_online", "7", 1.0)])
        await sink.take([record("user_offline", "7", 2.0), record("user_online", "8", 2.0)])
        sightings.is_away = False
        async with running(sink):
            await returned(sink)

        assert await trail(sightings) == Trail(2.0, None, (Span(1.0, 2.0),))
        assert await trail(sightings, "8") == Trail(2.0, 2.0)
        assert sightings.noted == [2]

    async def test_dropped(self, sightings: FaultySightings, clock: Clock) -> None:
        """What did not fit is told once, when they are back."""
        pending = PendingSightings(keeps_spans=True, most_users=2)
        sink = LastSeen(sightings, pending, clock=clock)
        sightings.is_away = True
        with pytest.raises(Unavailable):
            await sink.take(storm(0, [1]))
        clock.now += last_seen.PATIENCE
        await sink.take(storm(0, [2, 3, 4]))

        sightings.is_away = False
        with capture_logs() as logs:
            async with running(sink):
                await returned(sink)

        assert sightings.noted == [2]
        assert logs == [
            {"event": "sightings.dropped", "log_level": "warning", "users": 2, "spans": 0}
        ]


class TestDrain:
    """The process ends."""

    async def test_stored(self, sink: LastSeen, sightings: FaultySightings) -> None:
        """What waits is stored if that is possible at last."""
        sightings.is_away = True
        with pytest.raises(Unavailable):
            await sink.take([record("user_online", "7", 1.0)])
        sightings.is_away = False

        await sink.drain()

        assert await trail(sightings) == Trail(1.0, 1.0)

    @pytest.mark.parametrize("seconds,is_told", [(last_seen.PATIENCE, True), (0.0, False)])
    async def test_lost(
        self,
        sink: LastSeen,
        sightings: FaultySightings,
        clock: Clock,
        *,
        seconds: float,
        is_told: bool,
    ) -> None:
        """What was taken from its streams is lost; what was not comes again elsewhere."""
        sightings.is_away = True
        with pytest.raises(Unavailable):
            await sink.take([record("user_online", "7", 1.0)])
        clock.now += seconds

        with capture_logs() as logs:
            await sink.drain()

        assert [line["event"] for line in logs] == ["sightings.dropped"] * is_told


async def returned(sink: LastSeen) -> None:
    """Wait until the sink knows that its sightings are back."""
    async with asyncio.timeout(DEADLINE):
        while sink.is_away:
            await asyncio.sleep(0.01)
