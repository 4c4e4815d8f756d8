"""Delays between attempts."""

import pytest

from libs.common.retry import FIRST, LONGEST, Backoff


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
