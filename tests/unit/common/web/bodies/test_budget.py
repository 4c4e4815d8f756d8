"""Room for bodies, and who has how much of it."""

from libs.common.web.bodies.budget import BodyBudget

MOST = 1024


def shares(budget: BodyBudget, *owners: str) -> list[int]:
    """Have each take byte by byte what it can."""
    taken = []
    for owner in owners:
        taken.append(0)
        while budget.take(owner, 1):
            taken[-1] += 1
    return taken


class TestTake:
    """Each has at most what is left to all others."""

    def test_exact(self) -> None:
        """
        Alone one has half, and not a byte more.
        """
        assert not BodyBudget(MOST).take("1", MOST // 2 + 1)
        assert BodyBudget(MOST).take("1", MOST // 2)

    def test_several(self) -> None:
        """
        However many take what they can, there is some for one more.
        """
        assert shares(BodyBudget(MOST), *"12345") == [512, 256, 128, 64, 32]

    def test_refused(self) -> None:
        """
        What finds no room takes none.
        """
        budget = BodyBudget(MOST)
        budget.take("1", 500)

        assert not budget.take("1", 13)

        assert budget.held == 500
        assert budget.take("1", 12)


class TestGiveBack:
    """What was given back is there for all."""

    def test_again(self) -> None:
        budget = BodyBudget(MOST)
        budget.take("1", 500)
        budget.take("2", 200)

        budget.give_back("1", 500)

        assert budget.held == 200
        assert shares(budget, "1", "2") == [412, 106]

    def test_nothing_stays(self) -> None:
        """
        Of whoever has nothing any more nothing is kept.
        """
        budget = BodyBudget(MOST)
        for app in range(100):
            budget.take(str(app), 1)
        for app in range(100):
            budget.give_back(str(app), 1)

        assert (budget.held, budget._by_owner) == (0, {})
