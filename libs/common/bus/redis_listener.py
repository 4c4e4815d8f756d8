"""
A listener of the bus on Redis: what it follows, on a connection that is replaced when it breaks.

The connection itself, with its subscriptions and their confirmations, is `redis.subscription`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

import structlog

from libs.common.bus.inbox import Inbox
from libs.common.bus.messages import Delivery, Entry, Interrupted, Position
from libs.common.bus.wire import PROBE, decode
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.redis.connection import RedisConnection
from libs.common.redis.node import TROUBLE, reason
from libs.common.redis.scripts import Call
from libs.common.redis.subscription import Subscription
from libs.common.retry import Backoff

STEADY = 10.0  # Seconds that a connection must last before the delay to the next one begins anew.
MOST_PATIENT = 10  # Probe intervals that the watch waits at most, when reconnecting did not help.

Tops = Callable[[Collection[Channel]], Awaitable[dict[Channel, Position]]]

log = structlog.get_logger()


class Deaf(Exception):
    """A probe was published and did not arrive."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"its own probe did not arrive within {seconds:g} s")


_BREAKS = (*TROUBLE, Unavailable, Deaf)


@dataclass(slots=True)
class _Followed:
    """
    A channel that is followed.

    Attributes:
        channel: The channel itself.
        claims: How many calls of `follow` are under way or have succeeded.
        epoch: Of the last entry heard.
        offset: Of the last entry heard.
    """

    channel: Channel
    claims: int = 0
    epoch: str = ""
    offset: int = 0

    def passes(self, position: Position) -> bool:
        """
        Note an entry, unless one with a higher offset came over the same connection before.

        While a slot of a cluster moves, what the former node published can arrive last.  Then it
        counts as missing, which the higher offset told.
        """
        if position.epoch == self.epoch and position.offset <= self.offset:
            return False
        self.epoch, self.offset = position.epoch, position.offset
        return True

    def begin_anew(self) -> None:
        """Forget what was heard: after a failover, offsets may have gone back."""
        self.epoch, self.offset = "", 0


class RedisListener:
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
        name_feed: Names the feed of a channel.
        inbox: Where deliveries wait for `receive`.
        read_tops: Reads the positions of channels.
        probe_interval: Seconds of silence after which it probes.
        name: Which of the listeners of this process it is, for `Outage`.
    """

    def __init__(
        self,
        connection: RedisConnection,
        service: str,
        name_feed: Callable[[Channel], str],
        *,
        inbox: Inbox,
        read_tops: Tops,
        probe_interval: float,
        name: str = "listener",
    ) -> None:
        self._redis = connection
        self._service = service
        self._name_feed = name_feed
        self._inbox = inbox
        self._read_tops = read_tops
        self._probe_interval = probe_interval
        self._name = name
        self._followed: dict[bytes, _Followed] = {}  # By feed.
        self._subscription: Subscription | None = None  # None while disconnected.
        self._was_tried = asyncio.Event()
        self._outage = connection.outage
        self._is_cut_off = False
        self._has_heard = False
        self._deaf_times = 0
        self.unreadable = 0  # Messages that could not be read, or are of a kind not known here.

    async def wait_for_attempt(self) -> None:
        """Wait until a first attempt to connect succeeded or failed."""
        await self._was_tried.wait()

    async def follow(self, channels: Collection[Channel]) -> dict[Channel, Position]:
        """See `Listener.follow`."""
        subscription = self._subscription
        if subscription is None:
            raise Unavailable("bus")
        claims = {self._name_feed(channel).encode(): channel for channel in channels}
        claimed = {feed: self._claim(feed, channel) for feed, channel in claims.items()}
        try:
            await subscription.subscribe(claims)
            positions = await self._read_tops(claims.values())
        except BaseException:
            self._give_up(claimed)
            raise
        self._give_up(
            {feed: claimed[feed] for feed, channel in claims.items() if channel not in positions}
        )
        return positions

    def _claim(self, feed: bytes, channel: Channel) -> _Followed:
        followed = self._followed.setdefault(feed, _Followed(channel))
        followed.claims += 1
        return followed

    def _give_up(self, claimed: Mapping[bytes, _Followed]) -> None:
        """Take back claims; what has none any more is not followed."""
        for followed in claimed.values():
            followed.claims -= 1
        self._drop(
            [
                feed
                for feed, followed in claimed.items()
                if not followed.claims and self._followed.get(feed) is followed
            ]
        )

    async def unfollow(self, channels: Collection[Channel]) -> None:
        """See `Listener.unfollow`."""
        self._drop([self._name_feed(channel).encode() for channel in channels])

    def _drop(self, feeds: Collection[bytes]) -> None:
        for feed in feeds:
            self._followed.pop(feed, None)
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
                expected, unexpected = group.split(_BREAKS)
                if unexpected or not expected:
                    raise
                self._lost(expected.exceptions[0])
            if time.monotonic() - began > STEADY:
                backoff.reset()
            await asyncio.sleep(backoff.delay())

    async def _listen(self) -> None:
        """Connect, subscribe to what is followed, and hear until the connection breaks."""
        connection = await self._redis.dedicated()
        subscription = Subscription(connection, "bus", self._hear)
        self._subscription = subscription
        for followed in self._followed.values():
            followed.begin_anew()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(subscription.read())
                tasks.create_task(subscription.write())
                await subscription.subscribe([self._service.encode(), *self._followed])
                self._found()
                tasks.create_task(self._watch())
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

    def _hear(self, feed: bytes, message: bytes) -> None:
        self._has_heard = True
        followed = self._followed.get(feed)
        if followed is None:  # The service's feed, or a channel that was left meanwhile.
            return
        try:
            delivery = decode(followed.channel, message)
        except ValueError:
            delivery = None
        if delivery is not None:
            if not isinstance(delivery, Entry) or followed.passes(delivery.position):
                self._inbox.put(delivery)
            return
        self.unreadable += 1
        if self.unreadable == 1:
            log.warning(
                "bus.message_skipped",
                app=followed.channel.app,
                channel=followed.channel.name,
                start=message[:2],
            )

    async def _watch(self) -> None:
        """Probe after silence.  That none can be published says nothing about what is heard."""
        while True:
            interval = self._probe_interval * min(2**self._deaf_times, MOST_PATIENT)
            self._has_heard = False
            await asyncio.sleep(interval)
            if not self._has_heard and await self._probe():
                await asyncio.sleep(interval)
                if not self._has_heard:
                    self._deaf_times += 1
                    raise Deaf(interval)
            if self._has_heard:
                self._deaf_times = 0

    async def _probe(self) -> bool:
        try:
            await self._redis.ask(Call(self._service, ("PUBLISH", self._service, PROBE)))
        except Unavailable:
            return False
        return True
