"""Lines of the report, and their bounds."""

import pytest

from bench.figures import WIDTH, Figure, complaints

SPEED = Figure(name="speed", title="speed", unit="a second", at_least=10.0)
COST = Figure(name="cost", title="cost", unit="ms", scale=1000.0, at_most=5.0)
SAMPLES = [
    {"speed": 12.0, "cost": 0.004},
    {"speed": 9.0, "cost": 0.007},
    {"speed": 11.0, "cost": 0.005},
]


class TestFigure:
    """One line."""

    def test_line(self) -> None:
        """The median, the lowest and the highest, in the unit that is printed, and the bound."""
        line = COST.line(SAMPLES)

        assert line[WIDTH:].split() == ["5.00", "4.00", "7.00", "at", "most", "5"]

    def test_unbounded(self) -> None:
        assert Figure(name="cost", title="cost").complaint(SAMPLES) is None


class TestComplaints:
    """What is beyond its bound, in a sentence."""

    def test_within(self) -> None:
        """What is at its bound is not beyond."""
        assert list(complaints([SPEED, COST], SAMPLES)) == []

    @pytest.mark.parametrize(
        "sample, words",
        [
            (
                {"speed": 9.5, "cost": 0.0},
                "speed: the median of 1 runs is 9.50 a second, less than 10",
            ),
            ({"speed": 10.0, "cost": 0.0051}, "cost: the median of 1 runs is 5.10 ms, more than 5"),
        ],
    )
    def test_beyond(self, sample: dict[str, float], words: str) -> None:
        assert list(complaints([SPEED, COST], [sample])) == [words]
