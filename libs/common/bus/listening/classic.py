"""
A listener of the bus on Redis: one connection to any server, replaced when it breaks.

The connection itself, with its subscriptions and their confirmations, is
`redis.pubsub.subscription`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection

from libs.common.bus.inbox import Inbox
from libs.common.bus.listening.following import Following
from libs.common.bus.listening.watch import Deaf, HearingWatch
from libs.common.bus.messages import Delivery, Interrupted, Position
from libs.common.bus.wire import PROBE
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.redis.connection import RedisConnection
from libs.common.redis.node import TROUBLE, reason
from libs.common.redis.pubsub.subscription import Subscription
from libs.common.redis.scripts import Call
from libs.common.retry import Backoff

STEADY = 10.0  # Seconds that a connection must last before the delay to the next one begins anew.

Tops = Callable[[Collection[Channel]], Awaitable[dict[Channel, Position]]]

BREAKS = (*TROUBLE, Unavailable, Deaf)


class ClassicListener:
    """
    A `Listener` of a `RedisBus`.

    Lives while `run` runs.  When its connection is lost it opens another, at another node of a
    cluster, subscribes to what it followed and delivers `Interrupted`.  It does the same when it
    hears nothing for a while and its own probe, published as everything else is, does not arrive
    either: after a failover a healthy connection may lead to a server that nobody publishes to any
    more (Centrifugo, issue 1189).

    Args:
        connection: To Redis.
        service: A feed of its own, for probes.
        following: What it follows.
        inbox: Where deliveries wait for `receive`.
        read_tops: Reads the positions of channels.
        watch: Looks whether it hears.
        name: Which of the listeners of this process it is, for `Outage`.
    """

    def __init__(
        self,
        connection: RedisConnection,
        service: str,
        following: Following,
        *,
        inbox: Inbox,
        read_tops: Tops,
        watch: HearingWatch,
        name: str = "listener",
    ) -> None:
        self._redis = connection
        self._service = service
        self._following = following
        self._inbox = inbox
        self._read_tops = read_tops
        self._watch = watch
        self._name = name
        self._subscription: Subscription | None = None  # None while disconnected.
        self._was_tried = asyncio.Event()
        self._outage = connection.outage
        self._is_cut_off = False

    async def wait_for_attempt(self) -> None:
        """Wait until a first attempt to connect succeeded or failed."""
        await self._was_tried.wait()

    async def follow(self, channels: Collection[Channel]) -> dict[Channel, Position]:
        """See `Listener.follow`."""
        subscription = self._subscription
        if subscription is None:
            raise Unavailable("bus")
        claimed = self._following.claim(channels)
        try:
            await subscription.subscribe(claimed)
            positions = await self._read_tops([each.channel for each in claimed.values()])
        except BaseException:
            self._drop(self._following.give_up(claimed))
            raise
        missing = {feed: each for feed, each in claimed.items() if each.channel not in positions}
        self._drop(self._following.give_up(missing))
        return positions

    async def unfollow(self, channels: Collection[Channel]) -> None:
        """See `Listener.unfollow`."""
        self._drop(self._following.named(channels))

    def _drop(self, feeds: Collection[bytes]) -> None:
        for feed in feeds:
            self._following.feeds.pop(feed, None)
        if self._subscription:
            self._subscription.unsubscribe(feeds)

    async def receive(self, timeout: float) -> list[Delivery]:
        """See `Listener.receive`."""
        return await self._inbox.take(timeout)

    async def run(self) -> None:
        """Listen until cancelled."""
        backoff = Backoff()
        while True:
            began = time.monotonic()
            try:
                await self._listen()
            except Unavailable as error:
                self._lost(error)
            except ExceptionGroup as group:
                expected, unexpected = group.split(BREAKS)
                if unexpected or not expected:
                    raise
                self._lost(expected.exceptions[0])
            if time.monotonic() - began > STEADY:
                backoff.reset()
            await asyncio.sleep(backoff.delay())

    async def _listen(self) -> None:
        """Connect, subscribe to what is followed, and hear until the connection breaks."""
        connection = await self._redis.dedicated()
        subscription = Subscription(connection, "bus", self._following.hear)
        self._subscription = subscription
        for followed in self._following.feeds.values():
            followed.begin_anew()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(subscription.read())
                tasks.create_task(subscription.write())
                await subscription.subscribe([self._service.encode(), *self._following.feeds])
                self._found()
                tasks.create_task(self._watch.run(self._probe, self._count))
        finally:
            self._subscription = None
            await subscription.close()

    def _found(self) -> None:
        self._was_tried.set()
        self._outage.found(by=self._name)
        if self._is_cut_off:
            self._is_cut_off = False
            self._inbox.put(Interrupted())

    def _lost(self, error: BaseException) -> None:
        self._was_tried.set()
        self._is_cut_off = True
        self._outage.lost(reason(error), by=self._name)

    def _count(self) -> int:
        return self._following.heard

    async def _probe(self) -> bool:
        try:
            await self._redis.ask(Call(self._service, ("PUBLISH", self._service, PROBE)))
        except Unavailable:
            return False
        return True
