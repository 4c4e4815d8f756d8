"""What is worked on together, where a part of the backend may be away."""

from collections.abc import Sequence

from libs.common.errors import Unavailable
from libs.common.parts import by_parts


async def test_together() -> None:
    """So many at a time, in their order."""
    done: list[Sequence[int]] = []

    async def work(requests: Sequence[int]) -> None:
        done.append(requests)

    assert await by_parts([1, 2, 3], work, batch=2) == []
    assert await by_parts([], work, batch=2) == []
    assert done == [[1, 2], [3]]


async def test_alone() -> None:
    """Where it is away for one the others are worked on alone, and that one is left."""
    done: list[int] = []

    async def work(requests: Sequence[int]) -> None:
        if 2 in requests:
            raise Unavailable("roster")
        done.extend(requests)

    assert await by_parts([1, 2, 3, 4], work, batch=3) == [2]
    assert done == [1, 3, 4]
