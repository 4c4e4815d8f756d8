"""Clients are sent away while too much is kept for them."""

from collections.abc import Iterator
from dataclasses import dataclass

from structlog.testing import capture_logs

from services.gateway.memory.holdings import Holdings
from services.gateway.memory.shedding import Shedding


@dataclass
class _Kept:
    kept: int
    expelled: int = 0

    def expel(self, reason: str) -> None:
        assert "memory" in reason
        self.expelled += 1


def test_largest() -> None:
    """
    Whoever has most goes, in one line for all; the others stay.
    """
    holdings, clients = Holdings(100, 200), [_Kept(10), _Kept(80), _Kept(70)]
    holdings.add(160)

    with capture_logs() as logs:
        Shedding(holdings, clients).look()

    assert [each.expelled for each in clients] == [0, 1, 0]
    assert [(line["event"], line["connections"], line["bytes"]) for line in logs] == [
        ("memory.shed", 1, 160)
    ]


def test_counted_anew() -> None:
    """
    What was let go meanwhile is known after a look, and nobody has to go for it.
    """
    holdings, clients = Holdings(100, 200), [_Kept(50)]
    holdings.add(190)

    Shedding(holdings, clients).look()

    assert (holdings.total, clients[0].expelled) == (50, 0)


def test_nothing() -> None:
    """
    While nothing is kept nobody is looked at.
    """

    class Nobody:
        def __iter__(self) -> Iterator[_Kept]:
            raise AssertionError("looked at")

    Shedding(Holdings(100, 200), Nobody()).look()
