"""An ear at one node of a cluster: a connection and what is heard there, until it breaks."""

import asyncio
from collections.abc import Collection
from dataclasses import replace

from libs.common.bus.listening.watch import HearingWatch
from libs.common.bus.wire import PROBE
from libs.common.errors import Unavailable
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import neighbour
from libs.common.redis.pubsub.sharded_subscription import FeedSubscriber, ShardedSubscription
from libs.common.redis.scripts import Call


class NodeEar:
    """
    A connection to a node, subscribed to feeds whose slots the node has.

    Lives while `run` runs, and once.  Beside the feeds of a slot it hears one of its own there, on
    which it probes itself.

    Args:
        connection: To Redis.
        server: The node's name, as in `RedisConnection.grouped`.
        service: What its own feeds are called.
        subscriber: Told what it hears, and not of its own feeds.
        watch: Looks whether it hears.
    """

    def __init__(
        self,
        connection: RedisConnection,
        server: str,
        *,
        service: str,
        subscriber: FeedSubscriber,
        watch: HearingWatch,
    ) -> None:
        self._redis = connection
        self._server = server
        self._service = service
        self._subscriber = subscriber
        self._told = replace(
            subscriber,
            hear=self._hear,
            subscribed=self._subscribed,
            unsubscribed=self._unsubscribed,
        )
        self._watch = watch
        self._subscription: ShardedSubscription | None = None
        self._was_tried = asyncio.Event()
        self._own: set[bytes] = set()  # Its feeds that are subscribed to.
        self._heard = 0

    async def run(self) -> None:
        """
        Hear until the connection breaks.

        Raises:
            Unavailable: It cannot be opened.
            ExceptionGroup: It broke, or is deaf.
        """
        try:
            connection = await self._redis.dedicated(self._server)
            self._subscription = subscription = ShardedSubscription(connection, "bus", self._told)
        finally:
            self._was_tried.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(subscription.read())
                tasks.create_task(subscription.write())
                tasks.create_task(self._watch.run(self._probe, lambda: self._heard))
        finally:
            await subscription.close()

    async def subscribe(self, feeds: Collection[bytes]) -> None:
        """
        Ask for feeds, and wait until the node has said of each whether it has its slot.

        Raises:
            Unavailable: The node is away, or does not answer.
        """
        await self._was_tried.wait()
        if self._subscription is None:
            raise Unavailable("bus")
        own = {neighbour(feed.decode(), self._service).encode() for feed in feeds}
        await self._subscription.subscribe([*(own - self._own), *feeds])

    def unsubscribe(self, feeds: Collection[bytes]) -> None:
        """Unsubscribe from feeds, soon."""
        if self._subscription is not None:
            self._subscription.unsubscribe(feeds)

    def _hear(self, feed: bytes, message: bytes) -> None:
        self._heard += 1
        self._subscriber.hear(feed, message)

    def _subscribed(self, feed: bytes) -> None:
        if self._is_own(feed):
            self._own.add(feed)
        else:
            self._subscriber.subscribed(feed)

    def _unsubscribed(self, feed: bytes) -> None:
        if self._is_own(feed):
            self._own.discard(feed)
        else:
            self._subscriber.unsubscribed(feed)

    def _is_own(self, feed: bytes) -> bool:
        return feed.endswith(self._service.encode())

    async def _probe(self) -> bool:
        """Publish as everything else is; an ear that has nothing to hear is never deaf."""
        for feed in self._own:
            try:
                await self._redis.ask(Call(feed.decode(), ("SPUBLISH", feed, PROBE)))
            except Unavailable:
                return False
            return True
        return False
