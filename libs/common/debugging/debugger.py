"""
The debugger: hears orders to show more in the log, and has the process do so until they expire.

Lives while `run` runs; when it ends, everything is as the settings say.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

import structlog

from libs.common.control.commands import Command
from libs.common.control.hearing import hear
from libs.common.control.port import Control
from libs.common.debugging.orders import LEVELS, Debugging, DebugOrders, Watched
from libs.common.fairness.turns import in_turns
from libs.common.telemetry import logs
from libs.common.telemetry.audit import audit_log

LOOK = 60.0  # Seconds from one look at the clock to the next: it may be set meanwhile.
# Seconds: a timer may end before the clock says that an order has.
SOONEST = 0.05

Watch = Callable[[Collection[Watched]], None]

log = structlog.get_logger()


class Debugger:
    """
    What one process shows beyond its settings.

    Args:
        control: Brings orders.
        level: The level of the settings.
        names: Returns all names of the process, which may be known once it listens.
        watch: Those who show frames are told whose.
        set_level: Makes a level that of the process.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        control: Control,
        *,
        level: str,
        names: Callable[[], Collection[str]],
        watch: Sequence[Watch],
        set_level: Callable[[str], None] = logs.set_level,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._control = control
        self._level = level
        self._names = names
        self._watch = watch
        self._set_level = set_level
        self._clock = clock
        self._orders = DebugOrders()
        self._heard = asyncio.Event()
        self._shown: tuple[str, tuple[Watched, ...], float | None] = level, (), None

    async def run(self) -> None:
        """Do as ordered until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(hear(self._control, self._take, informed=lambda: None))
                tasks.create_task(self._keep())
        finally:
            self._apply(Debugging())

    async def _take(self, commands: Sequence[Command]) -> None:
        async for command in in_turns(commands):
            if self._orders.take(command):
                _audit(command)
        self._heard.set()

    async def _keep(self) -> None:
        """Do what holds, and look again when something was heard or expires."""
        while True:
            now = self._clock()
            state = self._orders.state(self._names(), now=now)
            self._apply(state)
            wait = LOOK if state.until is None else min(LOOK, state.until - now)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(SOONEST, wait)):
                    await self._heard.wait()
            self._heard.clear()

    def _apply(self, state: Debugging) -> None:
        level = state.level or self._level
        if state.frames:  # They are shown at the level info.
            level = LEVELS[min(LEVELS.index(level), LEVELS.index("info"))]
        if (level, state.frames, state.until) == self._shown:
            return
        self._shown = level, state.frames, state.until
        for watch in self._watch:
            watch(state.frames)
        self._set_level("info")  # For the line, which neither level may show.
        _say(level, state)
        self._set_level(level)


def _audit(order: Command) -> None:
    audit_log.info(
        "audit.debug_ordered",
        kind=order.kind,
        log_level=order.level,
        app=order.app,
        channel=order.subject,
        processes=[*order.processes],
        until=order.expires_at,
        by=order.by,
    )


def _say(level: str, state: Debugging) -> None:
    frames = [f"{app} {channel}".strip() for app, channel in state.frames]
    log.info("debugging.changed", log_level=level, frames=frames, until=state.until)
