"""Token buckets."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.protocol.limits import TokenBucket


class TestTokenBucket:
    """Allows so many acts a second, and as many at once after a pause."""

    def test_burst(self) -> None:
        """
        A full bucket allows its rate at once, and nothing more.
        """
        bucket = TokenBucket(3, now=100.0)

        assert [bucket.allow(100.0) for _ in range(4)] == [True, True, True, False]

    def test_refill(self) -> None:
        """
        A token comes back in its share of a second, not before.
        """
        bucket = TokenBucket(2, now=0.0)
        bucket.allow(0.0)
        bucket.allow(0.0)

        assert not bucket.allow(0.4)
        assert bucket.allow(0.5)
        assert not bucket.allow(0.75)

    def test_pause(self) -> None:
        """
        A long pause saves up no more than a second's worth.
        """
        bucket = TokenBucket(2, now=0.0)

        assert [bucket.allow(3600.0) for _ in range(3)] == [True, True, False]

    def test_no_limit(self) -> None:
        """
        A rate of 0 or less allows everything.
        """
        for rate in (0, -1):
            bucket = TokenBucket(rate, now=0.0)
            assert all(bucket.allow(0.0) for _ in range(1000))

    @settings(max_examples=100)
    @given(st.integers(1, 20), st.lists(st.floats(0, 0.5), min_size=1, max_size=60))
    def test_never_more(self, rate: int, pauses: list[float]) -> None:
        """
        However the acts are spread, those allowed are at most a bucket and what flowed in since.
        """
        bucket = TokenBucket(rate, now=0.0)
        now, allowed = 0.0, 0

        for pause in pauses:
            now += pause
            allowed += bucket.allow(now)

        assert allowed <= rate + now * rate + 1e-6
