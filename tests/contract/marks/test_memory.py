"""What only marks in the memory of a process have: an end of the room for all channels together."""

from libs.common.channels import Channel
from libs.common.marks.mark import Mark
from libs.common.marks.memory import MemoryMarks
from libs.common.marks.port import Reading, TooManyMarks
from tests.support.fakes.clock import Clock


def reading(channel: int, number: int = 1) -> Reading:
    return Reading(Channel("1", f"private-{channel}"), "7", Mark(number))


async def test_full() -> None:
    """Who is known goes on, the next one is told so, and there is room when one is forgotten."""
    marks = MemoryMarks(50, most_kept=2)
    await marks.move([reading(1), reading(2)])

    known, late = await marks.move([reading(1, 2), reading(3)])
    await marks.erase("1", "7")

    assert known == Mark(2)
    assert isinstance(late, TooManyMarks)
    assert "memory" in str(late)
    assert await marks.move([reading(3)]) == [Mark(1)]


async def test_told_again() -> None:
    """What is told again is not old, also where it does not move."""
    clock = Clock()
    marks = MemoryMarks(50, clock=clock)
    await marks.move([reading(1)])
    clock.now += 100.0
    await marks.move([reading(1)])

    assert await marks.forget(moved_before=clock.now, limit=9) == 0
    assert await marks.forget(moved_before=clock.now + 1.0, limit=9) == 1
