"""
The front door: what all connections of a listener share before it is known whose they are.

A connection begins with a `Visitor`, which reads the head of a request and decides: a WebSocket is
the gateway's, a request of a short way is answered at once, and everything else is aiohttp's.  Only
what is in good order is taken off aiohttp's hands; so what is not is answered as it always was.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from libs.common.telemetry.metrics.requests import RequestMetrics
from libs.common.web.bodies.bodies import BODIES
from libs.common.web.door.heads import Heads
from libs.common.web.door.limits import DoorLimits
from libs.common.web.door.mismatches import Mismatches
from libs.common.web.door.ways import ShortWay, Ways

SWEEP = 0.5  # Seconds between two looks at who takes too long.


class Guest(Protocol):
    """Whoever has a time in which something is expected of it."""

    def overdue(self) -> None:
        """Learn that the time is over."""

    def leave(self) -> None:
        """End the connection at once."""


class Door:
    """
    What the visitors of a listener share.

    Args:
        framework: Makes the protocol that serves what goes the long way.
        ways: What does not.
        app: What belongs to the application, for handlers.
        limits: What a visitor may take.
        metrics: Counts answers.
        mismatches: Says who speaks TLS where nobody does.

    Attributes:
        heads: Parses heads.
        bodies: Has room for bodies; None: it is not bounded.
        tasks: The requests of short ways that are being answered.
        is_closed: Whether connections end with the request that is being answered.
    """

    def __init__(
        self,
        framework: Callable[[], asyncio.Protocol],
        ways: Ways,
        *,
        app: Mapping[Any, Any],
        limits: DoorLimits,
        metrics: RequestMetrics,
        mismatches: Mismatches,
    ) -> None:
        self.framework = framework
        self.upgrader = ways.upgrader
        self.app = app
        self.bodies = app.get(BODIES)
        self.limits = limits
        self.metrics = metrics
        self.mismatches = mismatches
        self._loop = asyncio.get_running_loop()  # To ask for it each time is a call of the system.
        self.heads = Heads(self._loop)
        self.is_closed = False
        self.tasks: set[asyncio.Task[None]] = set()
        self._ways = ways.short
        self._overdue: dict[Guest, float] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    def way_of(self, path: str) -> tuple[ShortWay, dict[str, str]] | None:
        """Find the short way of a POST, and what the path has in the places of its names."""
        for way in self._ways:
            if found := way.pattern.fullmatch(path):
                return way, found.groupdict()
        return None

    def begin(self, answering: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin to answer a request of a short way; whoever does takes the task out of `tasks`."""
        task = self._loop.create_task(answering)
        self.tasks.add(task)
        return task

    def expect(self, visitor: Guest, seconds: float) -> None:
        """Tell a visitor when so many seconds are over, unless it does what it should."""
        self._overdue[visitor] = self._loop.time() + seconds
        if self._sweeping is None:
            self._sweep_later()

    def forget(self, visitor: Guest) -> None:
        """Expect nothing more of a visitor."""
        self._overdue.pop(visitor, None)

    def _sweep_later(self) -> None:
        self._sweeping = self._loop.call_later(SWEEP, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        now = self._loop.time()
        for visitor in [each for each, due in self._overdue.items() if due <= now]:
            if self._overdue.pop(visitor, None) is not None:
                visitor.overdue()
        if self._overdue and self._sweeping is None:
            self._sweep_later()

    async def close(self, timeout: float) -> None:
        """End all visitors; those whose requests are being answered have ``timeout`` seconds."""
        self.is_closed = True
        self._dismiss()
        if tasks := [*self.tasks]:
            await asyncio.wait(tasks, timeout=timeout)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        await asyncio.sleep(0)  # What was written last is on its way.
        self._dismiss()
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _dismiss(self) -> None:
        for visitor in [*self._overdue]:
            visitor.leave()
