"""
A subscribed connection to Redis, until it breaks.

redis-py's ``PubSub`` takes eight times as long for a message as reading a connection's replies
does, and it reconnects without a word.  This one tells what it hears, and ends when the connection
does.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from redis.asyncio import Connection

from libs.common.errors import Unavailable
from libs.common.redis.node import REPLY_TIMEOUT
from libs.common.redis.pubsub.command_queue import CommandQueue

BATCH = 512  # Feeds that one command names.

Hear = Callable[[bytes, bytes], None]


@dataclass(frozen=True, slots=True)
class _Request:
    """A SUBSCRIBE, and the future that its last confirmation resolves."""

    feeds: int
    confirmed: asyncio.Future[None]


class Subscription:
    """
    A connection and what it is subscribed to.

    Lives while `read` and `write` run; see `CommandQueue`.

    Args:
        connection: Open, and used by nobody else.
        backend: The port's name, for `Unavailable`.
        hear: Told each message: its feed and its text.
    """

    def __init__(self, connection: Connection, backend: str, hear: Hear) -> None:
        self._connection = connection
        self._backend = backend
        self._hear = hear
        self._commands = CommandQueue(connection)
        self._unconfirmed: deque[_Request] = deque()  # Redis confirms in the order of the commands,
        self._confirmed = 0  # each feed by itself: so many of the first request's.
        self._is_closed = False

    async def subscribe(self, feeds: Collection[bytes]) -> None:
        """
        Subscribe to feeds, and wait until all are confirmed.

        Raises:
            Unavailable: The connection broke, or Redis does not answer.
        """
        names = list(feeds)
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            confirmed = asyncio.get_running_loop().create_future()
            if self._is_closed:
                raise Unavailable(self._backend)
            self._unconfirmed.append(_Request(len(batch), confirmed))
            self._commands.post(("SUBSCRIBE", *batch))
            try:
                async with asyncio.timeout(REPLY_TIMEOUT):
                    await confirmed
            except TimeoutError as error:
                raise Unavailable(self._backend) from error

    def unsubscribe(self, feeds: Collection[bytes]) -> None:
        """Unsubscribe from feeds, soon."""
        names = list(feeds)
        for start in range(0, len(names), BATCH):
            self._commands.post(("UNSUBSCRIBE", *names[start : start + BATCH]))

    async def write(self) -> None:
        """
        Send commands as they come, until the connection breaks.

        Raises:
            RedisError, OSError: The connection broke.
        """
        await self._commands.run()

    async def read(self) -> None:
        """
        Tell of messages and note confirmations, until the connection breaks.

        Raises:
            RedisError, OSError: The connection broke, or Redis refused a command.
        """
        while True:
            kind, feed, text = await self._connection.read_response(timeout=math.inf)
            if kind == b"message":
                self._hear(feed, text)
            elif kind == b"subscribe":
                self._confirm()

    def _confirm(self) -> None:
        self._confirmed += 1
        request = self._unconfirmed[0]
        if self._confirmed < request.feeds:
            return
        self._confirmed = 0
        self._unconfirmed.popleft()
        if not request.confirmed.done():
            request.confirmed.set_result(None)

    async def close(self) -> None:
        """Close the connection; who still waits for a confirmation gets `Unavailable`."""
        self._is_closed = True
        for request in self._unconfirmed:
            if not request.confirmed.done():
                request.confirmed.set_exception(Unavailable(self._backend))
        await self._connection.disconnect(nowait=True)
