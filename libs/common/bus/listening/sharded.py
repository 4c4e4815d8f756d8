"""
A listener of the bus on a Redis Cluster with sharded pub/sub: an ear at each node that is needed.

Where a feed's slot is, and so at which node it must be heard, changes: slots move, nodes die and
others take their place.  What has lost its node is sought, heard again at the next one, and
`Interrupted`, which names it alone.
"""

import asyncio
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial

from libs.common.bus.inbox import Inbox
from libs.common.bus.listening.classic import BREAKS, STEADY, Tops
from libs.common.bus.listening.following import Followed, Following
from libs.common.bus.listening.node_ear import NodeEar
from libs.common.bus.listening.watch import HearingWatch
from libs.common.bus.messages import Delivery, Interrupted, Position
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.redis.connection import RedisConnection
from libs.common.redis.node import reason
from libs.common.redis.pubsub.sharded_subscription import FeedSubscriber
from libs.common.retry import Backoff

ATTEMPTS = 2  # To be referred, and to ask there.
MOVING = "a slot is on its way to another node"


class ShardedListener:
    """
    A `Listener` of a `RedisBus`.

    Lives while `run` runs.  An ear is opened when something must be heard at its node, and again
    when it broke, or is deaf, if there is something still.

    Args:
        connection: To a cluster.
        service: What its own feeds are called, on which ears probe themselves.
        following: What it follows.
        inbox: Where deliveries wait for `receive`.
        read_tops: Reads the positions of channels.
        probe_interval: See `HearingWatch`.
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
        probe_interval: float,
        name: str = "listener",
    ) -> None:
        self._redis = connection
        self._service = service
        self._following = following
        self._inbox = inbox
        self._read_tops = read_tops
        self._probe_interval = probe_interval
        self._name = name
        self._outage = connection.outage
        self._tasks: asyncio.TaskGroup | None = None  # None while it does not run.
        self._runs = asyncio.Event()
        self._ears: dict[str, NodeEar] = {}  # By server.
        self._watches: dict[str, HearingWatch] = {}  # By server, of all that there ever were.
        self._lost: set[bytes] = set()  # Feeds that are heard nowhere.
        self._found: set[bytes] = set()  # Feeds that are heard again, and were not told of.
        self._has_changed = asyncio.Event()
        self._referrals = 0
        self._trouble = ""  # Why an ear ended last, since all was heard.

    async def wait_for_attempt(self) -> None:
        """Wait until it runs; it connects when there is something to follow."""
        await self._runs.wait()

    async def follow(self, channels: Collection[Channel]) -> dict[Channel, Position]:
        """See `Listener.follow`."""
        claimed = self._following.claim(channels)
        try:
            await self._seek([feed for feed, followed in claimed.items() if not followed.at])
            positions = await self._positions(claimed)
        except BaseException:
            self._drop(self._following.give_up(claimed))
            raise
        missing = {feed: each for feed, each in claimed.items() if each.channel not in positions}
        self._drop(self._following.give_up(missing))
        return positions

    async def _positions(self, claimed: Mapping[bytes, Followed]) -> dict[Channel, Position]:
        heard = [followed.channel for followed in claimed.values() if followed.at]
        if claimed and not heard:
            raise Unavailable("bus")
        return await self._read_tops(heard)

    async def unfollow(self, channels: Collection[Channel]) -> None:
        """See `Listener.unfollow`."""
        self._drop(self._following.named(channels))

    def _drop(self, feeds: Collection[bytes]) -> None:
        """Forget feeds; those that are confirmed only after this are left then."""
        heard: dict[str, list[bytes]] = {}
        for feed in feeds:
            self._lost.discard(feed)
            self._found.discard(feed)
            followed = self._following.feeds.pop(feed, None)
            if followed is not None and followed.at:
                heard.setdefault(followed.at, []).append(feed)
        for server, names in heard.items():
            self._leave(server, names)

    async def receive(self, timeout: float) -> list[Delivery]:
        """See `Listener.receive`."""
        return await self._inbox.take(timeout)

    async def _seek(self, feeds: Collection[bytes]) -> None:
        """
        Ask the nodes that have these feeds now; once more, where one refers to another.

        Raises:
            Unavailable: Nobody says which have them.
        """
        for _ in range(ATTEMPTS):
            referrals = self._referrals
            groups = await self._redis.grouped([feed.decode() for feed in feeds])
            async with asyncio.TaskGroup() as tasks:
                for server, names in groups.items():
                    tasks.create_task(self._ask(server, [name.encode() for name in names]))
            if self._referrals == referrals:
                return
            feeds = [feed for feed in feeds if self._is_sought(feed)]

    def _is_sought(self, feed: bytes) -> bool:
        followed = self._following.feeds.get(feed)
        return followed is not None and not followed.at

    async def _ask(self, server: str, feeds: Collection[bytes]) -> None:
        with suppress(Unavailable):
            await self._ear(server).subscribe(feeds)

    def _ear(self, server: str) -> NodeEar:
        if self._tasks is None:
            raise Unavailable("bus")
        if server not in self._ears:
            self._ears[server] = ear = NodeEar(
                self._redis,
                server,
                service=self._service,
                subscriber=FeedSubscriber(
                    self._following.hear,
                    subscribed=partial(self._gain, server),
                    unsubscribed=partial(self._lose, server),
                    moved=self._refer,
                ),
                watch=self._watches.setdefault(server, HearingWatch(self._probe_interval)),
            )
            self._tasks.create_task(self._live(ear, server))
        return self._ears[server]

    async def _live(self, ear: NodeEar, server: str) -> None:
        """Let an ear hear until it breaks; then all is lost that was heard there."""
        trouble: BaseException
        try:
            await ear.run()
        except Unavailable as error:
            trouble = error
        except ExceptionGroup as group:
            expected, unexpected = group.split(BREAKS)
            if unexpected or not expected:
                raise
            trouble = expected.exceptions[0]
        del self._ears[server]
        for feed in self._following.feeds:
            self._lose(server, feed)
        if self._lost:
            self._trouble = reason(trouble)

    def _gain(self, server: str, feed: bytes) -> None:
        """Note that a feed is heard at a node: there, and nowhere else."""
        followed = self._following.feeds.get(feed)
        if followed is None:
            self._leave(server, [feed])
            return
        if followed.at not in {"", server}:
            self._leave(followed.at, [feed])
        followed.at = server
        if feed in self._lost:
            self._lost.discard(feed)
            self._found.add(feed)
            followed.begin_anew()
            self._has_changed.set()

    def _lose(self, server: str, feed: bytes) -> None:
        """Note that a feed is heard no more at a node, though it is followed."""
        followed = self._following.feeds.get(feed)
        if followed is not None and followed.at == server:
            followed.at = ""
            self._lost.add(feed)
            self._has_changed.set()

    def _refer(self) -> None:
        """Note that a node said that another has what it was asked for."""
        self._referrals += 1
        self._redis.doubt()

    def _leave(self, server: str, feeds: Collection[bytes]) -> None:
        if server in self._ears:
            self._ears[server].unsubscribe(feeds)

    async def run(self) -> None:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            self._runs.set()
            self._tasks.create_task(self._mend())

    async def _mend(self) -> None:
        """Seek what was lost, and tell what was found, until cancelled."""
        backoff, troubled = Backoff(), time.monotonic()
        while True:
            await self._has_changed.wait()
            self._has_changed.clear()
            if time.monotonic() - troubled > STEADY:
                backoff.reset()
            has_broken = bool(self._trouble)
            if self._lost:
                await self._seek_lost()
            self._tell()
            if self._lost or has_broken:
                troubled = time.monotonic()
                await asyncio.sleep(backoff.delay())

    async def _seek_lost(self) -> None:
        self._redis.doubt()
        with suppress(Unavailable):
            await self._seek([*self._lost])

    def _tell(self) -> None:
        """Tell whose node was lost and found; what still is lost is sought again."""
        if self._found:
            feeds = self._following.feeds
            self._inbox.put(Interrupted(frozenset(feeds[feed].channel for feed in self._found)))
            self._found.clear()
        if self._lost:
            self._has_changed.set()
            self._outage.lost(self._trouble or MOVING, by=self._name)
        else:
            self._trouble = ""
            self._outage.found(by=self._name)
