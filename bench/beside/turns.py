"""Turns: what is measured of several, so that what disturbs one disturbs the others."""

from collections.abc import Awaitable, Callable, Sequence

Turn = Callable[[], Awaitable[float]]


async def by_turns(sides: Sequence[Turn], *, times: int) -> list[list[float]]:
    """
    Let all have their turns, now the first before the others and now after them.

    Args:
        sides: What gives a turn to each, and returns what it measured.
        times: Turns of each.

    Returns:
        For each time, what was measured of each side, in the order of the sides.
    """
    found: list[list[float]] = []
    for number in range(times):
        order = [*range(len(sides))]
        measured = [(each, await sides[each]()) for each in (order[::-1] if number % 2 else order)]
        found.append([value for _, value in sorted(measured)])
    return found
