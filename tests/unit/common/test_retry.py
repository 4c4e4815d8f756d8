"""Delays between attempts, and trying until something is done."""

import pytest
from structlog.testing import capture_logs

from libs.common.errors import Unavailable
from libs.common.retry import FIRST, LONGEST, Backoff, Retry


@pytest.fixture
def backoff() -> Backoff:
    return Backoff(first=0.1, longest=1.0)


class TestBackoff:
    """Longer each time, never in step with others."""

    def test_longer(self, backoff: Backoff) -> None:
        """
        Each delay is between half its bound and its bound, which doubles up to the longest.
        """
        delays = [backoff.delay() for _ in range(6)]

        for delay, bound in zip(delays, [0.1, 0.2, 0.4, 0.8, 1.0, 1.0], strict=True):
            assert bound / 2 <= delay <= bound

    def test_reset(self, backoff: Backoff) -> None:
        """
        An answer makes it begin anew.
        """
        for _ in range(5):
            backoff.delay()

        backoff.reset()

        assert backoff.delay() <= 0.1

    def test_spread(self) -> None:
        """
        Those who lost the same backend at once do not return at once.
        """
        assert len({Backoff().delay() for _ in range(20)}) > 10

    def test_defaults(self) -> None:
        """
        By default it begins fast and never waits long.
        """
        backoff = Backoff()
        delays = [backoff.delay() for _ in range(20)]

        assert delays[0] <= FIRST
        assert max(delays) <= LONGEST
        assert min(delays[-5:]) >= LONGEST / 2


class Steps:
    """An attempt that ends as it is told to, one time after the other."""

    def __init__(self, *ends: BaseException | str) -> None:
        self._ends = list(ends)

    async def __call__(self) -> str:
        end = self._ends.pop(0)
        if isinstance(end, BaseException):
            raise end
        return end


class TestRetry:
    """Work that waits for backends."""

    async def test_until_done(self) -> None:
        """It is tried until it is done; that a backend is away is said once, and that it is back."""
        retry = Retry("pipeline", first=0.0)
        attempt = Steps(Unavailable("bus"), Unavailable("bus"), "done")

        with capture_logs() as logs:
            result = await retry.until_done(attempt)

        assert result == "done"
        said = [(line["event"], line["backend"], line["work"]) for line in logs]
        assert said == [("backend.lost", "bus", "pipeline"), ("backend.found", "bus", "pipeline")]

    async def test_several_backends(self) -> None:
        """Each backend has an outage of its own."""
        retry = Retry("pipeline", first=0.0)

        with capture_logs() as logs:
            await retry.until_done(Steps(Unavailable("bus"), Unavailable("events"), "done"))

        assert [line["backend"] for line in logs] == ["bus", "events", "bus", "events"]
        assert retry.outages.keys() == {"bus", "events"}

    async def test_is_waiting(self) -> None:
        """It waits from the first failure to the first success."""
        retry = Retry("pipeline", first=0.0)
        seen = [retry.is_waiting]
        steps = Steps(Unavailable("bus"), "done")

        async def attempt() -> str:
            seen.append(retry.is_waiting)
            return await steps()

        await retry.until_done(attempt)

        assert [*seen, retry.is_waiting] == [False, False, True, False]

    async def test_our_own_fault(self) -> None:
        """What is not a backend's fault ends it."""
        with pytest.raises(ValueError, match="ours"):
            await Retry("pipeline", first=0.0).until_done(Steps(ValueError("ours")))
