"""Whose frames are worked on, and how many in one turn of the loop."""

from services.gateway.intake.turns import SLICE, SMALL, TURN, Turns


def drained(turns: Turns[str], units: int) -> list[str]:
    """Take all that one turn has room for, each of whom is worked for by so much."""
    taken = []
    turns.begin()
    while (one := turns.next()) is not None:
        taken.append(one)
        turns.spend(units)
    return taken


def test_alone() -> None:
    """Who comes alone is worked for at once, however much it sent."""
    assert Turns[str]().share(10**6) == SLICE


class TestInLine:
    """While others wait for their turn."""

    def test_small(self) -> None:
        """One frame of a small thing passes them by."""
        turns: Turns[str] = Turns()
        turns.add("a")

        assert turns.share(SMALL) == 1

    def test_large(self) -> None:
        """What is large must stand in line."""
        turns: Turns[str] = Turns()
        turns.add("a")

        assert turns.share(SMALL + 1) == 0

    def test_order(self) -> None:
        """They are taken in the order in which they came."""
        turns: Turns[str] = Turns()
        for one in "abc":
            turns.add(one)

        assert drained(turns, SLICE) == ["a", "b", "c"]
        assert len(turns) == 0
        assert turns.is_free


class TestTurn:
    """How much is done in one turn of the loop."""

    def test_line(self) -> None:
        """Of those in line as many are taken as there is room for; the rest in the next turns."""
        turns: Turns[int] = Turns()
        most = TURN // SLICE
        for one in range(2 * most + 1):
            turns.add(one)

        taken: list[int] = []
        for _ in range(3):
            turns.begin()
            before = len(taken)
            while (one_taken := turns.next()) is not None:
                taken.append(one_taken)
                turns.spend(SLICE)
            assert len(taken) - before <= most

        assert taken == list(range(2 * most + 1))

    def test_at_once(self) -> None:
        """Of those who came at the same moment the last get one frame each, until the next turn."""
        turns: Turns[str] = Turns()

        turns.spend(TURN)
        assert turns.share(SMALL) == 1

        turns.begin()
        assert turns.share(SMALL) == SLICE
