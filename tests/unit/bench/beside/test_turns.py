"""Who is first in which turn."""

from collections.abc import Awaitable, Callable

from bench.beside.turns import by_turns


async def test_order() -> None:
    """Now the one is first and now the other, and what each measured stands in its place."""
    order: list[str] = []

    def side(name: str, value: float) -> Callable[[], Awaitable[float]]:
        async def turn() -> float:
            order.append(name)
            return value + len(order)

        return turn

    found = await by_turns([side("here", 10), side("base", 20)], times=3)

    assert order == ["here", "base", "base", "here", "here", "base"]
    assert found == [[11, 22], [14, 23], [15, 26]]
