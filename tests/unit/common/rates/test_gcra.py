"""The generic cell rate algorithm: what `judge` allows."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.rates.gcra import GRAIN, judge


@dataclass(frozen=True, slots=True)
class Attempt:
    """Seconds pass, and something is to be done."""

    after: float
    cost: int


attempts = st.lists(
    st.builds(Attempt, st.floats(0, 3) | st.just(0.0), st.integers(1, 30)), max_size=60
)
rates = st.floats(0.01, 1000) | st.integers(1, 20).map(float)


def done(tries: list[Attempt], rate: float) -> list[tuple[float, float]]:
    """Try, and return the instants and costs of what was allowed."""
    now, earned_at, allowed = 1000.0, 0.0, []
    for one in tries:
        now += one.after
        wait, earned_at = judge(earned_at, now=now, rate=rate, cost=one.cost)
        if wait == 0:
            allowed.append((now, min(one.cost, max(1.0, rate))))
    return allowed


class TestJudge:
    """Rate and a second's worth: never more, and never less without need."""

    @given(tries=attempts, rate=rates)
    def test_never_more(self, tries: list[Attempt], rate: float) -> None:
        """In no window of t seconds more is done than rate * t and a second's worth."""
        allowed = done(tries, rate)

        for start, (began, _) in enumerate(allowed):
            sum_ = 0.0
            for at, cost in allowed[start:]:
                sum_ += cost
                most = rate * (at - began) + max(1.0, rate)
                assert sum_ <= most + rate * 2 * GRAIN

    @given(earned_at=st.floats(990, 1010), rate=rates, cost=st.integers(1, 2000))
    def test_wait(self, earned_at: float, rate: float, cost: int) -> None:
        """What has to wait may be done when it has waited, and not much before."""
        wait, kept = judge(earned_at, now=1000.0, rate=rate, cost=cost)

        if wait:
            assert judge(kept, now=1000.0 + wait, rate=rate, cost=cost)[0] == 0
            assert judge(kept, now=1000.0 + wait - 3 * GRAIN, rate=rate, cost=cost)[0] > 0
            assert wait <= max(1.0, rate) / rate + 2 * GRAIN

    @given(rate=st.integers(1, 1000))
    def test_burst(self, rate: int) -> None:
        """After a rest exactly a second's worth may be done at once, even if fractions are not exact."""
        allowed = done([Attempt(0, 1)] * (rate + 5), float(rate))

        assert len(allowed) == rate

    @pytest.mark.parametrize(
        "rate, burst, number", [(50.0, 2000, 2000), (50.0, 1, 1), (50.0, 0, 1), (0.5, 3, 3)]
    )
    def test_other_burst(self, rate: float, burst: int, number: int) -> None:
        """Where another number than a second's worth may be done at once, it is that, 1 at least."""
        earned_at, now = 0.0, 1000.0
        for _ in range(number):
            wait, earned_at = judge(earned_at, now=now, rate=rate, cost=1, burst=burst)
            assert wait == 0

        wait, kept = judge(earned_at, now=now, rate=rate, cost=1, burst=burst)
        assert wait == pytest.approx(1 / rate, abs=2 * GRAIN)
        assert judge(kept, now=now + wait, rate=rate, cost=1, burst=burst)[0] == 0

    @given(rate=rates, cost=st.integers(1, 5000))
    def test_rested(self, rate: float, cost: int) -> None:
        """After a rest anything may be done once, whatever it costs."""
        assert judge(0.0, now=1000.0, rate=rate, cost=cost)[0] == 0

    def test_refused_costs_nothing(self) -> None:
        """What is not allowed moves nothing."""
        _, earned_at = judge(0.0, now=1000.0, rate=2, cost=2)

        assert judge(earned_at, now=1000.0, rate=2, cost=1) == (0.5, earned_at)

    @pytest.mark.parametrize("rate", [0.5, 2.0, 100.0])
    def test_clock_put_back(self, rate: float) -> None:
        """A clock that was put back by an hour bars nobody for longer than an act takes."""
        wait, earned_at = judge(1000.0 + 3600.0, now=1000.0, rate=rate, cost=1)

        assert wait == pytest.approx(1 / rate, abs=2 * GRAIN)
        assert judge(earned_at, now=1000.0 + wait, rate=rate, cost=1)[0] == 0
