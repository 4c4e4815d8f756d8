"""What four measurements say of a cost."""

import itertools

import pytest

from bench.scale.costs import REST, Cost, solved

COST = Cost(call=100.0, event=7.0, write=5.0, message=0.5)


class TestCost:
    """Events and readers."""

    def test_together(self) -> None:
        """
        Events that are handled together share the call, and each reader's write.
        """
        apart, together = 4 * COST.seconds(1, 10), COST.seconds(4, 10)

        assert apart - together == pytest.approx(3 * (100 + 10 * 5))

    @pytest.mark.parametrize("rested, share", [(0.0, 0.0), (REST / 2, 0.5), (9.0, 1.0)])
    def test_waking(self, rested: float, share: float) -> None:
        """
        Who had nothing to do for a while pays for being woken.
        """
        cost = Cost(call=0, event=0, write=0, message=0, waking=10.0)

        assert cost.seconds(1, 1, rested=rested) == pytest.approx(10 * share)


class TestSolved:
    """From four measurements to a cost."""

    @pytest.mark.parametrize("readers", [(0, 8), (1, 500)])
    def test_found_again(self, readers: tuple[int, int]) -> None:
        """
        Of costs that a cost explains, that cost is found.
        """
        pairs = itertools.product((1, 16), readers)

        found = solved({(events, few): COST.seconds(events, few) for events, few in pairs})

        assert found.seconds(5, 20) == pytest.approx(COST.seconds(5, 20))
        assert found.call == pytest.approx(COST.call)

    def test_noise(self) -> None:
        """
        Nothing costs less than nothing.
        """
        found = solved({(1, 0): 10.0, (16, 0): 9.0, (1, 8): 9.5, (16, 8): 8.0})

        assert min(found.call, found.event, found.write, found.message) >= 0
