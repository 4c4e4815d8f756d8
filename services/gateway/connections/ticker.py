"""
Looks after connections by the clock, at every tick.

It looks at the connections whose time has come, for silence and for tokens that end; and at all of
them when an app was changed, because a client that says nothing must hear as well that its app is
switched off.
"""

import asyncio
import time
from contextlib import suppress

from libs.common.apps.app import App
from libs.common.apps.port import Apps
from libs.common.errors import Unavailable
from services.gateway.access.verifier import Verifier
from services.gateway.connections.connection import Connection
from services.gateway.connections.timer_wheel import TimerWheel
from services.gateway.timers import TIMERS, Timers


class Ticker:
    """
    The connections of this gateway, by when they must be looked at.

    Args:
        apps: The apps whose clients are connected.
        verifier: Is told at each tick what the clocks show.
        longest: Seconds after which every connection is looked at, whatever its session said.  A
            client that answers a ping at once is due for the next one long before the answer was
            due.
        timers: The time between two looks.
    """

    def __init__(
        self, apps: Apps, verifier: Verifier, *, longest: float, timers: Timers = TIMERS
    ) -> None:
        self._apps = apps
        self._verifier = verifier
        self._longest = longest
        self._tick = timers.tick
        self._wheel: TimerWheel[Connection] = TimerWheel(timers.tick)
        self._known: tuple[App, ...] = ()  # The apps at the last look.
        self._tune()

    def watch(self, connection: Connection) -> None:
        """
        Look at a connection when its session says so, if that is earlier than was said before.

        Never later: a client that keeps putting off its time would not be looked at at all.
        """
        now = time.monotonic()
        due = min(connection.session.next_tick, now + self._longest)
        self._wheel.put(connection, max(now, due))

    def remove(self, connection: Connection) -> None:
        """Look at a connection no more."""
        self._wheel.remove(connection)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._tick)
            # In a method of its own, whose variables go: else the last connection would stay in
            # memory.
            self._look()

    def _look(self) -> None:
        self._tune()
        self._refresh()
        now = time.monotonic()
        for connection in self._wheel.take(now):
            connection.perform(connection.session.ticked(now))
            self.watch(connection)

    def _tune(self) -> None:
        self._verifier.tune(now=time.monotonic(), utc=time.time())

    def _refresh(self) -> None:
        """Let all connections have their apps as they are, if any was changed."""
        with suppress(Unavailable):
            apps = self._apps.all()
            if apps == self._known:
                return
            self._known = apps
            now = time.monotonic()
            for connection in self._wheel.things():
                if connection.refresh():
                    connection.perform(connection.session.judged(now))  # A key may be gone.
                    self.watch(connection)
