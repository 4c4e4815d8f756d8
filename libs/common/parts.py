"""Calls of a backend of which a part alone may be away."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from libs.common.errors import Unavailable

T = TypeVar("T")


async def by_parts(
    requests: Sequence[T], work: Callable[[Sequence[T]], Awaitable[None]], *, batch: int
) -> list[T]:
    """
    Work on requests together, and on each alone where a part of the backend is away.

    Args:
        requests: In their order.
        work: Works on some, never on none; raises Unavailable if the backend is away for one.
        batch: How many it takes at a time.

    Returns:
        Those for which the backend is away.
    """
    left: list[T] = []
    for start in range(0, len(requests), batch):
        left += await _together(requests[start : start + batch], work)
    return left


async def _together(
    requests: Sequence[T], work: Callable[[Sequence[T]], Awaitable[None]]
) -> list[T]:
    try:
        await work(requests)
    except Unavailable:
        if len(requests) == 1:
            return list(requests)
        left = await asyncio.gather(*(_together([each], work) for each in requests))
        return [request for each in left for request in each]
    return []
