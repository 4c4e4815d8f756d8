"""Lines of the report that are compared with an earlier release."""

import pytest

from bench.beside.comparison import Comparison, compared, lines

PUBLISH = Comparison(name="publish", title="HTTP publish", unit="µs", scale=1e6, at_most=0.5)
RATE = Comparison(name="rate", title="HTTP publish", unit="events/s")


class TestCompared:
    """What a run says of both."""

    def test_alone(self) -> None:
        """Without an earlier release the median of the turns stands alone."""
        assert compared("publish", [[3.0], [1.0], [2.0]]) == {"publish": 2.0}

    def test_ratio_of_pairs(self) -> None:
        """
        The ratio is the median of the ratios of the pairs, not the ratio of the medians.
        """
        turns = [[1.0, 2.0], [6.0, 4.0], [9.0, 10.0]]

        sample = compared("publish", turns)

        assert sample == {"publish": 6.0, "publish_base": 4.0, "publish_ratio": 0.9}


class TestLines:
    """What is printed and bounded."""

    def test_without_base(self) -> None:
        """Where nothing is compared there is nothing to bound."""
        found = lines([PUBLISH, RATE], base=False)

        assert [(each.name, each.at_most) for each in found] == [("publish", None), ("rate", None)]

    def test_with_base(self) -> None:
        found = lines([PUBLISH, RATE], base=True)

        names = ["publish", "publish_base", "publish_ratio", "rate", "rate_base", "rate_ratio"]
        assert [each.name for each in found] == names
        assert [each.at_most for each in found] == [None, None, 0.5, None, None, None]

    @pytest.mark.parametrize("cost, complaints", [(5e-6, 0), (5.1e-6, 1)])
    def test_bound(self, cost: float, complaints: int) -> None:
        """
        What is compared is the ratio, whatever the unit.
        """
        sample = compared("publish", [[cost, 10e-6]])

        found = [each.complaint([sample]) for each in lines([PUBLISH], base=True)]

        assert sum(each is not None for each in found) == complaints

    def test_samples_have_all(self) -> None:
        """All lines can be printed of what is compared."""
        sample = compared("publish", [[1e-4, 2e-4]])

        printed = [each.line([sample]).split() for each in lines([PUBLISH], base=True)]

        assert [words[-1] for words in printed] == ["100.00", "200.00", "0.5"]
