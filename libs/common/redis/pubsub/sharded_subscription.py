"""
A connection to a node of a cluster that is subscribed to sharded feeds, until it breaks.

A command names feeds of one slot alone.  Where another node has the slot it is refused with the
address of that one; and when a slot goes to another node, the server itself unsubscribes who
listened to its feeds, and says so.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from redis.asyncio import Connection
from redis.exceptions import MovedError

from libs.common.errors import Unavailable
from libs.common.redis.keys import slot
from libs.common.redis.node import REPLY_TIMEOUT
from libs.common.redis.pubsub.command_queue import CommandQueue
from libs.common.redis.pubsub.subscription import BATCH


@dataclass(frozen=True, slots=True)
class FeedSubscriber:
    """
    Who is told what a subscription hears; none of it may wait.

    Attributes:
        hear: Told each message: its feed and its text.
        subscribed: Told each feed that is heard from now on.
        unsubscribed: Told each feed that is heard no more: that was asked for, or its slot moved.
        moved: Told that the server referred to another one.
    """

    hear: Callable[[bytes, bytes], None]
    subscribed: Callable[[bytes], None]
    unsubscribed: Callable[[bytes], None]
    moved: Callable[[], None]


@dataclass(slots=True, eq=False)
class _SlotRequest:
    """An SSUBSCRIBE of feeds of a slot: how many are not confirmed, and what that resolves."""

    slot: int
    missing: int
    answered: asyncio.Future[None]


class ShardedSubscription:
    """
    A connection and the sharded feeds that it is subscribed to.

    Lives while `read` and `write` run; see `CommandQueue`.

    Args:
        connection: Open, and used by nobody else.
        backend: The port's name, for `Unavailable`.
        subscriber: Told of messages and feeds.
    """

    def __init__(self, connection: Connection, backend: str, subscriber: FeedSubscriber) -> None:
        self._connection = connection
        self._backend = backend
        self._subscriber = subscriber
        self._commands = CommandQueue(connection)
        self._requests: list[_SlotRequest] = []  # In the order of the commands.
        self._is_closed = False

    async def subscribe(self, feeds: Collection[bytes]) -> None:
        """
        Ask for feeds, and wait until each is confirmed or its slot is said to be elsewhere.

        Raises:
            Unavailable: The connection broke, or Redis does not answer; then it is closed.
        """
        requests = [self._request(number, batch) for number, batch in _batches(feeds)]
        try:
            async with asyncio.timeout(REPLY_TIMEOUT):
                for request in requests:
                    await request.answered
        except TimeoutError as error:
            await self.close()
            raise Unavailable(self._backend) from error
        if self._is_closed:
            raise Unavailable(self._backend)

    def _request(self, number: int, feeds: Collection[bytes]) -> _SlotRequest:
        if self._is_closed:
            raise Unavailable(self._backend)
        request = _SlotRequest(number, len(feeds), asyncio.get_running_loop().create_future())
        self._requests.append(request)
        self._commands.post(("SSUBSCRIBE", *feeds))
        return request

    def unsubscribe(self, feeds: Collection[bytes]) -> None:
        """Unsubscribe from feeds, soon."""
        for _, batch in _batches(feeds):
            self._commands.post(("SUNSUBSCRIBE", *batch))

    async def write(self) -> None:
        """
        Send commands as they come, until the connection breaks.

        Raises:
            RedisError, OSError: The connection broke.
        """
        await self._commands.run()

    async def read(self) -> None:
        """
        Tell of messages and feeds, until the connection breaks.

        Raises:
            RedisError, OSError: The connection broke, or Redis refused a command.
        """
        while True:
            try:
                kind, feed, text = await self._connection.read_response(timeout=math.inf)
            except MovedError as error:
                self._refer(error.slot_id)
                continue
            if kind == b"smessage":
                self._subscriber.hear(feed, text)
            elif kind == b"ssubscribe":
                self._subscriber.subscribed(feed)
                self._confirm(slot(feed.decode()))
            elif kind == b"sunsubscribe":
                self._subscriber.unsubscribed(feed)

    def _confirm(self, number: int) -> None:
        request = self._first(number)
        if request is not None:
            request.missing -= 1
            if not request.missing:
                self._answer(request)

    def _refer(self, number: int) -> None:
        """Take the first request for a slot as refused; where there is none, SUNSUBSCRIBE was."""
        self._subscriber.moved()
        request = self._first(number)
        if request is not None:
            self._answer(request)

    def _first(self, number: int) -> _SlotRequest | None:
        return next((each for each in self._requests if each.slot == number), None)

    def _answer(self, request: _SlotRequest) -> None:
        self._requests.remove(request)
        if not request.answered.done():
            request.answered.set_result(None)

    async def close(self) -> None:
        """Close the connection; who still waits for an answer gets `Unavailable`."""
        self._is_closed = True
        for request in self._requests:
            if not request.answered.done():
                request.answered.set_result(None)
        await self._connection.disconnect(nowait=True)


def _batches(feeds: Collection[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Put together what one command may name: feeds of a slot, and not too many."""
    by_slot: dict[int, list[bytes]] = {}
    for feed in feeds:
        by_slot.setdefault(slot(feed.decode()), []).append(feed)
    for number, names in by_slot.items():
        for start in range(0, len(names), BATCH):
            yield number, names[start : start + BATCH]
