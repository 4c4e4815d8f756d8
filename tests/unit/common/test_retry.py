"""Delays between attempts, and trying until something is done."""

import pytest

from libs.common.errors import Unavailable
from libs.common.outage import reason_of
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


def waits_for(retry: Retry) -> str:
    """Return for what it waits; empty: for nothing."""
    try:
        retry.ensure()
    except Unavailable as error:
        return reason_of(error)
    return ""


class TestRetry:
    """Work that waits for backends."""

    async def test_until_done(self) -> None:
        """It is tried until it is done."""
        attempt = Steps(Unavailable("bus"), Unavailable("bus"), "done")

        assert await Retry(first=0.0).until_done(attempt) == "done"

    async def test_waits(self) -> None:
        """From the first failure to the first success it says for what it waits."""
        retry = Retry(first=0.0)
        seen = [waits_for(retry)]
        bus = Unavailable("bus")
        bus.__cause__ = OSError("refused")
        steps = Steps(bus, Unavailable("events"), "done")

        async def attempt() -> str:
            seen.append(waits_for(retry))
            return await steps()

        await retry.until_done(attempt)

        assert [*seen, waits_for(retry)] == [
            "",
            "",
            "it waits for bus: refused",
            "it waits for events: the events backend is unavailable",
            "",
        ]

    async def test_our_own_fault(self) -> None:
        """What is not a backend's fault ends it."""
        with pytest.raises(ValueError, match="ours"):
            await Retry(first=0.0).until_done(Steps(ValueError("ours")))
