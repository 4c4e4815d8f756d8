"""What a process does about orders to show more."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from msgspec.structs import replace
from structlog.testing import capture_logs

from libs.common.control.commands import Command
from libs.common.control.memory import MemoryControl
from libs.common.debugging.debugger import Debugger
from libs.common.debugging.orders import Watched, frames_order, level_order, off_order
from tests.support.deadline import DEADLINE
from tests.support.fakes.logs import audited

ROOM = Watched("1", "room")


class Process:
    """
    What is ordered of one process.

    Attributes:
        levels: Those that it had, one after the other.
        watched: Whose frames it shows.
        now: Its clock.
    """

    def __init__(self) -> None:
        self.levels = ["info"]
        self.watched: list[Watched] = []
        self.now = 1000.0
        self.control = MemoryControl(lambda: self.now)

    def debugger(self, level: str, set_level: Callable[[str], None] | None) -> Debugger:
        self.levels = [level]
        return Debugger(
            self.control,
            level=level,
            names=lambda: {"gw1"},
            watch=[self._watch],
            set_level=set_level or self.levels.append,
            clock=lambda: self.now,
        )

    def _watch(self, watched: Collection[Watched]) -> None:
        self.watched = [*watched]

    async def order_level(self, level: str, *names: str, seconds: float = 60.0) -> None:
        await self.control.send(level_order(level, names, now=self.now, seconds=seconds))

    async def order_frames(self, *, seconds: float = 60.0) -> None:
        await self.control.send(frames_order(ROOM, [], now=self.now, seconds=seconds))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not holds():
                await asyncio.sleep(0)

    @asynccontextmanager
    async def running(
        self, level: str = "info", set_level: Callable[[str], None] | None = None
    ) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.debugger(level, set_level).run())
            yield
            task.cancel()


async def test_ordered_and_off() -> None:
    """
    An order takes effect while the process runs, and ends when it is called off.
    """
    process = Process()
    with capture_logs() as logs:
        async with process.running():
            await process.order_level("debug")
            await process.until(lambda: process.levels[-1] == "debug")
            await process.order_frames()
            await process.until(lambda: process.watched == [ROOM])
            await process.control.send(off_order(now=process.now))
            await process.until(lambda: process.levels[-1] == "info")

    assert process.watched == []
    assert [line["frames"] for line in logs] == [[], ["1 room"], []]
    assert {line["event"] for line in logs} == {"debugging.changed"}


async def test_expires() -> None:
    """
    When the time of an order is up all is as before, without another order.
    """
    process = Process()
    async with process.running():
        await process.order_level("debug", seconds=0.05)
        await process.until(lambda: process.levels[-1] == "debug")
        process.now += 0.05
        await process.until(lambda: process.levels[-1] == "info")


async def test_starts_later() -> None:
    """
    A process that starts while an order is in force takes it; when it ends, all is as its settings say.
    """
    process = Process()
    await process.order_level("debug", "gw1")
    await process.order_frames()
    async with process.running():
        await process.until(lambda: process.levels[-1] == "debug" and process.watched == [ROOM])

    assert process.levels[-1] == "info"
    assert process.watched == []


async def test_others() -> None:
    """
    An order for another process changes nothing here.
    """
    process = Process()
    await process.order_level("debug", "gw2")
    await process.order_frames()
    async with process.running():
        await process.until(lambda: process.watched == [ROOM])

    assert set(process.levels) == {"info"}


async def test_shown_frames() -> None:
    """
    Where the settings log warnings alone, frames are shown nonetheless.
    """
    process = Process()
    await process.order_frames()
    async with process.running("warning"):
        await process.until(lambda: process.watched == [ROOM])
        assert process.levels[-1] == "info"

    assert process.levels[-1] == "warning"


async def test_said_at_any_level() -> None:
    """
    Between levels that show no info, too, it is said what is shown, and again when that ends.
    """
    process = Process()
    written: list[str] = []

    def note(level: str) -> None:
        written.extend(process.levels[-1] for _ in logs[len(written) :])  # The level they met.
        process.levels.append(level)

    with capture_logs() as logs:
        async with process.running("warning", note):
            await process.order_level("error")
            await process.until(lambda: process.levels[-1] == "error")
            await process.order_level("warning")
            await process.until(lambda: process.levels[-1] == "warning")

    assert written == ["info", "info", "info"]
    assert process.levels[-1] == "warning"


async def test_nothing_more_to_show() -> None:
    """
    Who orders what is shown already is told that it holds, and until when.
    """
    process = Process()
    with capture_logs() as logs:
        async with process.running():
            await process.order_level("info")
            await process.until(lambda: bool(logs))

    assert [line["until"] for line in logs] == [process.now + 60.0, None]


async def test_audited() -> None:
    """
    Each order that is heard has a line of the audit log, once, whomever it concerns, with who gave it.
    """
    process = Process()
    order = frames_order(ROOM, ["gw2"], now=1000.0, seconds=60.0)
    with audited() as lines:
        async with process.running():
            await process.control.send(replace(order, by="ops1"))
            await process.control.send(Command("terminate", "1", "ann", 1000.0, 1060.0))
            await process.control.send(off_order(now=1000.0))
            await process.until(lambda: len(lines) == 2)

    assert lines == [
        {
            "event": "audit.debug_ordered",
            "kind": "frames",
            "log_level": "",
            "app": "1",
            "channel": "room",
            "processes": ["gw2"],
            "until": 1060.0,
            "by": "ops1",
        },
        {
            "event": "audit.debug_ordered",
            "kind": "off",
            "log_level": "",
            "app": "",
            "channel": "",
            "processes": [],
            "until": 1000.0 + 2 * 86_400,
            "by": "",
        },
    ]
