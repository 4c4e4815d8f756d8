"""When the standby of a lease steps in, and when it does not."""

import asyncio
import threading
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from libs.common.errors import Misconfigured, Unavailable
from libs.common.leases.memory import MemoryLeases
from libs.common.leases.standby import Standby
from tests.support.deadline import DEADLINE
from tests.support.fakes.clock import Clock

TTL, INTERVAL, LOOP_TIMEOUT = 15.0, 4.0, 60.0
PAUSE = INTERVAL / 4


class WatchedLeases(MemoryLeases):
    """Leases that note what is prolonged, unless there is an error."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.error: Exception | None = None
        self.prolonged: list[str] = []
        self.takes = 0.0  # Seconds that a call lasts.

    async def prolong(self, gateway: str, *, ttl: float) -> bool:
        assert isinstance(self.clock, Clock)
        self.clock.now += self.takes
        if self.error:
            raise self.error
        assert ttl == TTL
        self.prolonged.append(gateway)
        return await super().prolong(gateway, ttl=ttl)


@dataclass
class Holder:
    """A lease of g1, as its holder knows it."""

    name: str
    renewed_at: float | None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(clock: Clock) -> WatchedLeases:
    return WatchedLeases(clock)


@pytest.fixture
def holder(clock: Clock, leases: WatchedLeases) -> Holder:
    asyncio.run(leases.renew("g1", ttl=TTL))
    return Holder("g1", clock.now)


@pytest.fixture
def standby(clock: Clock, leases: WatchedLeases, holder: Holder) -> Standby:
    return Standby(
        leases, holder, ttl=TTL, interval=INTERVAL, loop_timeout=LOOP_TIMEOUT, clock=clock
    )


def looks(standby: Standby, clock: Clock, seconds: float) -> None:
    """Let time pass, with the looks that the thread has in it."""
    end = clock.now + seconds
    while clock.now < end:
        clock.now += PAUSE
        standby.look()


class TestHeld:
    """The loop turns no more."""

    def test_steps_in(self, standby: Standby, leases: WatchedLeases, clock: Clock) -> None:
        """A renewal may be half an interval late; then the lease is kept, until the timeout."""
        looks(standby, clock, 1.5 * INTERVAL - PAUSE)
        early = list(leases.prolonged)

        looks(standby, clock, LOOP_TIMEOUT - 1.5 * INTERVAL)
        kept = leases.silence("g1")
        looks(standby, clock, LOOP_TIMEOUT)

        assert early == []
        assert kept <= 2 * INTERVAL
        assert leases.prolonged == 10 * ["g1"]

    def test_told_once(self, standby: Standby, clock: Clock) -> None:
        """That it turns no more is one line, each time; it says where the loop is."""
        with capture_logs() as logs:
            looks(standby, clock, 2 * LOOP_TIMEOUT)
            standby.turned()
            looks(standby, clock, 2 * LOOP_TIMEOUT)

        assert [line["event"] for line in logs] == 2 * ["loop.stuck"]
        assert [line["seconds"] for line in logs] == 2 * [LOOP_TIMEOUT + PAUSE]
        assert logs[0]["at"].endswith(" look")

    @pytest.mark.parametrize(
        "error", [Unavailable("roster"), TimeoutError(), Misconfigured("no certificates")]
    )
    def test_tries_again(
        self, standby: Standby, leases: WatchedLeases, clock: Clock, error: Exception
    ) -> None:
        """While the backend is away it tries at every look, and says nothing."""
        leases.error = error
        with capture_logs() as logs:
            looks(standby, clock, 2 * INTERVAL)
        leases.error = None

        looks(standby, clock, PAUSE)

        assert leases.prolonged == ["g1"]
        assert logs == []

    def test_slow_backend(self, standby: Standby, leases: WatchedLeases, clock: Clock) -> None:
        """A call that takes long is no standstill of the thread: the next look acts as well."""
        leases.takes = 2 * INTERVAL

        looks(standby, clock, 1.5 * INTERVAL)
        looks(standby, clock, PAUSE)

        assert leases.prolonged == 2 * ["g1"]


class TestAtRest:
    """There is nothing to do, or nothing that may be done."""

    def test_renewed(
        self, standby: Standby, leases: WatchedLeases, holder: Holder, clock: Clock
    ) -> None:
        """Where the holder renews, also a little late, the thread asks nothing of the backend."""
        for _ in range(20):
            looks(standby, clock, INTERVAL + PAUSE)
            standby.turned()
            holder.renewed_at = clock.now

        assert leases.prolonged == []

    def test_slow_loop(self, standby: Standby, leases: WatchedLeases, clock: Clock) -> None:
        """A loop that turns, and is too slow to renew, is helped for as long as it turns."""
        for _ in range(60):
            looks(standby, clock, INTERVAL)
            standby.turned()

        assert leases.silence("g1") <= 2 * INTERVAL

    def test_released(
        self, standby: Standby, leases: WatchedLeases, holder: Holder, clock: Clock
    ) -> None:
        """What was released, or never renewed, is left alone."""
        holder.renewed_at = None

        looks(standby, clock, LOOP_TIMEOUT)

        assert leases.prolonged == []

    def test_new_name(
        self, standby: Standby, leases: WatchedLeases, holder: Holder, clock: Clock
    ) -> None:
        """A name that was given up is left alone, and the next is kept."""
        looks(standby, clock, 2 * INTERVAL)
        holder.name, holder.renewed_at = "g2", clock.now
        looks(standby, clock, 2 * INTERVAL)

        assert leases.prolonged == ["g1", "g2"]

    def test_stood_still(self, standby: Standby, leases: WatchedLeases, clock: Clock) -> None:
        """Where the whole process stood still the loop has its turn first."""
        clock.now += 2 * LOOP_TIMEOUT
        with capture_logs() as logs:
            standby.look()

        assert (leases.prolonged, logs) == ([], [])


class TestThread:
    """The thread is a child of `Standby.run`."""

    async def test_ends(self, leases: WatchedLeases, holder: Holder) -> None:
        """It ends with it."""
        holder.renewed_at = 0.0
        standby = Standby(leases, holder, ttl=TTL, interval=0.01, loop_timeout=LOOP_TIMEOUT)
        running = asyncio.create_task(standby.run())
        async with asyncio.timeout(DEADLINE):
            while not leases.prolonged:
                await asyncio.sleep(0.01)
        assert threads()

        running.cancel()
        await asyncio.wait([running])

        assert running.cancelled()
        assert not threads()

    async def test_fails(
        self, leases: WatchedLeases, holder: Holder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A thread that failed is not missed in silence."""
        failed: list[threading.ExceptHookArgs] = []
        monkeypatch.setattr(threading, "excepthook", failed.append)
        holder.renewed_at = 0.0
        leases.error = ZeroDivisionError()
        standby = Standby(leases, holder, ttl=TTL, interval=0.01, loop_timeout=LOOP_TIMEOUT)

        async with asyncio.timeout(DEADLINE):
            with pytest.raises(RuntimeError, match="thread of the lease's standby has ended"):
                await standby.run()

        assert len(failed) == 1


def threads() -> list[threading.Thread]:
    """Return the threads of standbys that live."""
    return [each for each in threading.enumerate() if each.name == "lease-standby"]
