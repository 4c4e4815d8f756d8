"""
Listening for notifications of PostgreSQL, again whenever the connection was lost.

PostgreSQL keeps nothing for who does not listen, so a listener must read at each new connection
what it may have missed.  Behind a pooler that changes servers between transactions no notification
arrives.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from libs.common.errors import Unavailable
from libs.common.postgres.connection import PostgresConnection
from libs.common.retry import Backoff

LISTENER = "listener"

Work = Callable[[Any], Awaitable[None]]  # Takes the connection, an `asyncpg.Connection`.


class Notifications:
    """
    What is notified on one channel of PostgreSQL.

    Args:
        connection: Opened by the caller; one of its pool is used for this alone.
        channel: The name that ``LISTEN`` takes.
        connected: Reads what may have been missed; called at each new connection, which listens
            already.
        notified: Takes the payload of a notification, at once and in their order, also while
            `connected` or `checked` reads.
        checked: Asks something over the connection, which shows whether it is still alive; called
            after each interval, and soon after `check_soon`.
        interval: Seconds between two checks.

    Attributes:
        outage: That of the connection.  For its listener, PostgreSQL is back when `connected` has
            read.
    """

    def __init__(
        self,
        connection: PostgresConnection,
        channel: str,
        *,
        connected: Work,
        notified: Callable[[str], None],
        checked: Work,
        interval: float,
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._connected = connected
        self._notified = notified
        self._checked = checked
        self._interval = interval
        self._stirred = asyncio.Event()
        self._was_tried = asyncio.Event()
        self.outage = connection.outage

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """
        Listen while the context is open.

        An error of the work ends it; `Unavailable` does not.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(self._follow())
                try:
                    yield
                finally:
                    following.cancel()
        except ExceptionGroup as group:
            if len(group.exceptions) > 1:
                raise
            raise group.exceptions[0]  # noqa: B904 - what the caller raised, with its own cause

    async def wait_for_attempt(self) -> None:
        """Wait until a first attempt to connect and read succeeded or failed."""
        await self._was_tried.wait()

    def check_soon(self) -> None:
        """Check as soon as what is under way has ended; several calls may count as one."""
        self._stirred.set()

    async def _follow(self) -> None:
        backoff = Backoff()
        while True:
            try:
                async with self._connection.acquired(by=LISTENER) as connection:
                    await self._listen(connection, backoff)
            except Unavailable:
                self._was_tried.set()
            await asyncio.sleep(backoff.delay())

    async def _listen(self, connection: Any, backoff: Backoff) -> None:
        """Listen until the connection breaks."""
        ended = False

        def end(*_: object) -> None:
            nonlocal ended
            ended = True
            self._stirred.set()

        self._stirred.clear()
        connection.add_termination_listener(end)
        try:
            await connection.add_listener(self._channel, self._hear)
            await self._connected(connection)
            while not ended:
                self._found(backoff)
                await self._pause()
                if not ended:
                    self._stirred.clear()
                    await self._checked(connection)
        finally:
            if not ended:  # It listens, so the pool shall not lend it to others.
                connection.terminate()
        raise Unavailable(self._connection.backend) from ConnectionError(
            "PostgreSQL closed the connection"
        )

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        self._notified(payload)

    def _found(self, backoff: Backoff) -> None:
        backoff.reset()
        self.outage.found(by=LISTENER)
        self._was_tried.set()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._interval):
                await self._stirred.wait()
