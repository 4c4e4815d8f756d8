"""How much a webhook works on at once."""

import asyncio

import pytest

from services.presence.webhooks.window import Window
from tests.support.deadline import DEADLINE


class Guest:
    """Is in the window until told to leave."""

    def __init__(self, window: Window, count: int) -> None:
        self._window = window
        self._count = count
        self.is_inside = False
        self.may_leave = asyncio.Event()

    async def visit(self) -> None:
        async with self._window.entered(self._count):
            self.is_inside = True
            await self.may_leave.wait()
        self.is_inside = False


@pytest.fixture
def window() -> Window:
    return Window(10, 30)


def is_open(window: Window) -> bool:
    return window.is_open


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def inside(window: Window, *counts: int) -> list[bool]:
    """Let guests come one after the other, and tell which of them are let in."""
    guests = [Guest(window, count) for count in counts]
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        for guest in guests:
            tasks.create_task(guest.visit())
        await settled()
        found = [guest.is_inside for guest in guests]
        for guest in guests:
            guest.may_leave.set()
    return found


async def test_bound(window: Window) -> None:
    """Beyond it one waits, and who comes later waits behind, however little it is."""
    assert await inside(window, 6, 6, 1) == [True, False, False]
    assert await inside(window, 6, 4) == [True, True]


async def test_alone(window: Window) -> None:
    """However much it is, it may be worked on if nothing else is."""
    assert await inside(window, 50) == [True]


async def test_grows(window: Window) -> None:
    """With what is dealt with, up to its bound; a failure takes it back."""
    window.succeed(5)
    assert await inside(window, 8, 7, 1) == [True, True, False]
    window.succeed(500)
    assert await inside(window, 15, 15, 1) == [True, True, False]
    window.fail()
    assert await inside(window, 6, 6) == [True, False]


async def test_left_by_and_by(window: Window) -> None:
    """What is done with makes room before all is."""
    other = Guest(window, 8)
    async with asyncio.timeout(DEADLINE), window.entered(10) as share:
        waiting = asyncio.ensure_future(other.visit())
        await settled()
        assert is_open(window) is False
        opened = window.opened.heard()
        await settled()
        assert not opened.done()

        share.leave(8)
        await settled()

        assert other.is_inside
        assert is_open(window)
        assert opened.done()
        other.may_leave.set()
        await waiting
    assert await inside(window, 10) == [True]


async def test_cancelled(window: Window) -> None:
    """Who is cancelled while it waits keeps nobody waiting."""
    async with asyncio.timeout(DEADLINE), window.entered(10):
        waiting = asyncio.ensure_future(Guest(window, 8).visit())
        await settled()
        opened = window.opened.heard()
        waiting.cancel()
        await asyncio.wait([waiting])

        assert window.is_open
        assert opened.done()
    assert await inside(window, 10) == [True]
