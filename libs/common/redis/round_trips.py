"""
Round trips to a server that several callers share.

Who calls while none is under way is sent at once, with all who call in the same turn of the loop;
who calls meanwhile is sent with the next.  So nothing waits for company, the commands of all
callers are performed in the order in which they called, and the more there is to do the less each
costs.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from libs.common.redis.commands import Words, packed

# Of one round trip; who brings more goes alone, and in the way of nobody.
MOST_COMMANDS = 256
MOST_BYTES = 1 << 20

# Performs commands, which are given also as the server reads them, and returns the reply to each.
Exchange = Callable[[Sequence[Words], bytes], Awaitable[list[Any]]]


@dataclass(slots=True, eq=False)
class _Caller:
    """
    Somebody who waits for replies.

    Attributes:
        commands: What is to be performed.
        packed: The same as the server reads it.
        replies: What the caller waits for; done before its time where it has gone.
        since: When it called, on the loop's clock.
    """

    commands: Sequence[Words]
    packed: bytes
    replies: asyncio.Future[list[Any]]
    since: float

    def take(self, replies: list[Any]) -> None:
        if not self.replies.done():
            self.replies.set_result(replies)

    def fail(self, error: Exception) -> None:
        if not self.replies.done():
            self.replies.set_exception(error)


class RoundTrips:
    """
    Round trips to one server, one after the other.

    That one failed is told all who shared it.  Who is cancelled before it is sent is left out; who
    is cancelled later changes nothing for the others.

    Args:
        exchange: Makes a round trip, within deadlines of its own.
        patience: Seconds for which a caller waits while another round trip is under way.
    """

    def __init__(self, exchange: Exchange, *, patience: float) -> None:
        self._exchange = exchange
        self._patience = patience
        self._waiting: deque[_Caller] = deque()
        self._sent: list[_Caller] = []
        self._sending: asyncio.Task[None] | None = None
        self._expiry: asyncio.TimerHandle | None = None

    async def exchange(self, commands: Sequence[Words]) -> list[Any]:
        """
        Perform commands in one go, in order, after those of all who called before.

        Very many, or very large ones, go alone and at once.

        Returns:
            The reply to each, as `Node.exchange`.

        Raises:
            RedisError, OSError: The round trip failed, or the one before it took too long.
        """
        written = packed(commands)
        if len(commands) > MOST_COMMANDS or len(written) > MOST_BYTES:
            return await self._exchange(commands, written)
        loop = asyncio.get_running_loop()
        caller = _Caller(commands, written, loop.create_future(), loop.time())
        self._waiting.append(caller)
        if self._sending is None:
            # In a context of its own: it is no matter of the one who happened to call first.
            self._sending = loop.create_task(self._send(), context=Context())
        elif self._expiry is None:
            self._expiry = loop.call_at(caller.since + self._patience, self._expire)
        return await caller.replies

    async def close(self) -> None:
        """End the round trip that is under way, and fail whoever waits."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        callers = [*self._sent, *self._waiting]
        self._waiting.clear()
        if sending := self._sending:
            sending.cancel()
            await asyncio.wait([sending])
        for caller in callers:
            caller.fail(RedisConnectionError("the connection was closed"))

    async def _send(self) -> None:
        try:
            while callers := self._next_callers():
                self._sent = callers
                await self._make(callers)
        finally:
            self._sending, self._sent = None, []

    def _next_callers(self) -> list[_Caller]:
        """Take who waits, as far as there is room; who was cancelled needs none."""
        callers: list[_Caller] = []
        count = size = 0
        while self._waiting:
            caller = self._waiting[0]
            if not caller.replies.done():
                count += len(caller.commands)
                size += len(caller.packed)
                if count > MOST_COMMANDS or size > MOST_BYTES:
                    break
                callers.append(caller)
            self._waiting.popleft()
        return callers

    async def _make(self, callers: Sequence[_Caller]) -> None:
        commands = list(chain.from_iterable([caller.commands for caller in callers]))
        try:
            written = b"".join([caller.packed for caller in callers])
            replies = iter(await self._exchange(commands, written))
        except Exception as error:  # noqa: BLE001 - raised where each of them called.
            for caller in callers:
                caller.fail(error)
            return
        for caller in callers:
            caller.take(list(islice(replies, len(caller.commands))))

    def _expire(self) -> None:
        """Fail who has waited for long enough, and look again when the next one has."""
        loop, self._expiry = asyncio.get_running_loop(), None
        while self._waiting and self._waiting[0].since + self._patience <= loop.time():
            self._waiting.popleft().fail(RedisTimeoutError("no connection became free"))
        if self._waiting:
            self._expiry = loop.call_at(self._waiting[0].since + self._patience, self._expire)
