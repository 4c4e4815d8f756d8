"""How many may come in a second."""

import pytest

from libs.common.web.door.accept_rate import AcceptRate


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_any_number(rate: float) -> None:
    pace = AcceptRate(rate)

    for _ in range(1000):
        assert pace.wait(5.0) <= 0
        pace.took(5.0)


def test_second() -> None:
    """
    A second's worth may come at once; the next waits for its part of a second.
    """
    pace = AcceptRate(4)

    for _ in range(4):
        assert pace.wait(100.0) <= 0
        pace.took(100.0)

    assert pace.wait(100.0) == pytest.approx(0.25)
    assert pace.wait(100.25) == pytest.approx(0.0)


def test_slow() -> None:
    """
    Below one in a second each waits for its own time, and no longer.
    """
    pace = AcceptRate(0.5)
    pace.took(100.0)

    assert pace.wait(100.0) == pytest.approx(2.0)
    assert pace.wait(102.0) == pytest.approx(0.0)


def test_steady() -> None:
    """
    Who comes at the rate, or below, never waits, however long that goes on.
    """
    pace = AcceptRate(10)

    for number in range(1000):
        assert pace.wait(number / 10) <= 0
        pace.took(number / 10)


def test_silence() -> None:
    """
    A long silence saves up no more than a second's worth.
    """
    pace = AcceptRate(2)
    pace.took(0.0)

    for _ in range(2):
        assert pace.wait(1000.0) <= 0
        pace.took(1000.0)

    assert pace.wait(1000.0) == pytest.approx(0.5)
