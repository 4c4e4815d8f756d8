"""The pace of the log: what is written, and that all else is counted and told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.telemetry import pacing
from libs.common.telemetry.pacing import (
    MOST_NAMES,
    MOST_VALUES,
    QUIET,
    RATE,
    RATE_BY,
    RATE_OF_ALL,
    HeldBack,
    Pace,
)

NOW = 1000.0
BURST = int(RATE)
A_LINE_LATER = NOW + 1.01 / RATE
A_VALUE_LATER = NOW + 1.01 / RATE_BY


@pytest.fixture
def pace() -> Pace:
    return Pace()


@pytest.fixture
def used_up(pace: Pace) -> Pace:
    """An event whose pace is used up, with three lines held back."""
    for _ in range(BURST + 3):
        pace.admit("a", None, now=NOW)
    return pace


class TestAdmit:
    """Line by line."""

    def test_burst(self, pace: Pace) -> None:
        """As many as in a second may come at once."""
        admitted = [pace.admit("a", None, now=NOW) for _ in range(BURST + 1)]

        assert admitted == [0] * BURST + [None]

    def test_more(self, used_up: Pace) -> None:
        """The next line says how many were held back, and the one after it does not say it again."""
        assert used_up.admit("a", None, now=A_LINE_LATER) == 3
        assert used_up.admit("a", None, now=A_LINE_LATER + 1) == 0
        assert not used_up.is_holding

    def test_others(self, used_up: Pace) -> None:
        """An event holds back none but itself."""
        assert used_up.admit("b", None, now=NOW) == 0

    def test_bounded(self, pace: Pace) -> None:
        """Events beyond what is told apart share one pace."""
        for number in range(MOST_NAMES + BURST):
            pace.admit(f"e{number}", None, now=NOW)

        assert pace.admit("another", None, now=NOW) is None
        assert pace.admit("e0", None, now=NOW) == 0
        assert [HeldBack("(others)", "", 1)] == pace.rest()


class TestBy:
    """One event about many values."""

    def test_apart(self, pace: Pace) -> None:
        """A value's second line waits, that of another value does not."""
        assert pace.admit("a", "x", now=NOW) == 0
        assert pace.admit("a", "x", now=NOW + 1) is None
        assert pace.admit("a", "y", now=NOW + 1) == 0
        assert pace.admit("a", "x", now=A_VALUE_LATER) == 1

    def test_both(self, used_up: Pace) -> None:
        """A value has no more than its event has, and what it did not get is not used up."""
        assert used_up.admit("a", "x", now=NOW) is None
        assert used_up.admit("a", "x", now=NOW + 1.01 / RATE_OF_ALL) == 1

    def test_all(self, pace: Pace) -> None:
        """All values together have a pace, should somebody choose them."""
        admitted = [pace.admit("a", f"v{number}", now=NOW) for number in range(100)]

        assert admitted.count(0) == RATE_OF_ALL
        assert pace.admit("b", "x", now=NOW) == 0

    def test_bounded(self, pace: Pace) -> None:
        """The value longest unheard of is forgotten; the event keeps its number."""
        for value in ("x", "x", "y"):
            pace.admit("a", value, now=NOW)
        for number in range(MOST_VALUES - 1):
            pace.admit("a", f"v{number}", now=NOW + 1 + number)

        assert pace.admit("a", "y", now=NOW + 2) is None
        assert pace.admit("a", None, now=NOW + MOST_VALUES) == 1
        assert pace.admit("a", "x", now=NOW + MOST_VALUES) == 0

    def test_long(self, pace: Pace) -> None:
        """Values that begin alike for long are one."""
        pace.admit("a", "x" * 1000, now=NOW)

        assert pace.admit("a", "x" * 1000 + "y", now=NOW) is None


class TestDue:
    """What is told by itself."""

    def test_quiet(self, used_up: Pace) -> None:
        """Once no line came for a while, and once."""
        assert used_up.due(now=NOW + QUIET / 2) == []
        assert used_up.due(now=NOW + QUIET) == [HeldBack("a", "", 3)]
        assert used_up.due(now=NOW + 2 * QUIET) == []

    def test_still_coming(self, used_up: Pace) -> None:
        """While lines come, they tell it."""
        assert used_up.admit("a", None, now=NOW + QUIET) == 3
        assert used_up.due(now=NOW + QUIET) == []

    def test_value(self, pace: Pace) -> None:
        """About a value no more is told than its pace allows."""
        for _ in range(5):
            pace.admit("a", "x", now=NOW)

        assert pace.due(now=NOW + QUIET) == []
        assert pace.is_holding
        assert pace.due(now=A_VALUE_LATER) == [HeldBack("a", "x", 4)]
        assert pace.admit("a", "x", now=A_VALUE_LATER) is None

    def test_rest(self, used_up: Pace) -> None:
        """At the end all is told, for each event together."""
        for value in ("x", "x", "y"):
            used_up.admit("b", value, now=NOW)
            used_up.admit("b", value, now=NOW)

        assert used_up.rest() == [HeldBack("a", "", 3), HeldBack("b", "", 4)]
        assert used_up.rest() == []


steps = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "due"]),
        st.sampled_from([None, "x", "y", "z"]),
        st.sampled_from([0.0, 0.001, 0.5, 1.0, 61.0]),
    ),
    max_size=300,
)


@given(steps=steps)
def test_nothing_is_lost(steps: list[tuple[str, str | None, float]]) -> None:
    """Every line is written, or counted in one that is; never more are written than the pace allows."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pacing, "MOST_VALUES", 2)
        patched.setattr(pacing, "MOST_NAMES", 2)
        pace, now, came, written, counted = Pace(), NOW, 0, 0, 0
        for name, by, after in steps:
            now += after
            if name == "due":
                told = pace.due(now=now)
                counted += sum(each.lines for each in told)
                continue
            came += 1
            more = pace.admit(name, by, now=now)
            if more is not None:
                written += 1
                counted += more

        assert came == written + counted + sum(each.lines for each in pace.rest())
        assert not pace.is_holding
