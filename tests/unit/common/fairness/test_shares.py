"""Places that apps share: none takes all of them."""

import pytest

from libs.common.fairness.shares import Shares


def taken(shares: Shares, app: str) -> int:
    """Take as many places as an app may have; return their number."""
    count = 0
    while shares.has_room(app):
        shares.take(app)
        count += 1
    return count


class TestShares:
    """An app has up to nine times as many as are free."""

    @pytest.mark.parametrize(
        "most, number", [(0, 0), (1, 1), (2, 2), (10, 10), (11, 10), (100, 91), (10_000, 9_001)]
    )
    def test_alone(self, most: int, number: int) -> None:
        assert taken(Shares(most), "1") == number

    def test_others(self) -> None:
        """
        Who comes when another has taken all it may still has room, and so has the next.
        """
        shares = Shares(10_000)

        counts = [taken(shares, app) for app in "123"]

        assert counts == [9_001, 900, 90]

    def test_given_back(self) -> None:
        """
        What an app gives back is there for others.
        """
        shares = Shares(1000)
        taken(shares, "1")
        for _ in range(500):
            shares.give_back("1")

        assert taken(shares, "2") > 500

    def test_all_given_back(self) -> None:
        shares = Shares(2)
        shares.take("1")
        shares.give_back("1")

        assert not shares._apps
        assert taken(shares, "1") == 2
