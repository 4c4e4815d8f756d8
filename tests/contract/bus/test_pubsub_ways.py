"""A deployment on its way from classic to sharded pub/sub: whoever is a step apart is heard."""

from contextlib import AsyncExitStack
from itertools import pairwise

import pytest

from libs.common.bus.messages import (
    Broadcast,
    Counted,
    Entry,
    Transition,
    Typed,
    Whisper,
)
from libs.common.bus.redis import RedisBus
from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from libs.common.redis.pubsub.ways import Pubsub
from libs.common.tally.port import Count, Subject
from libs.common.typists.port import Report
from tests.support.ports.buses import event, heard
from tests.support.ports.rosters import LONG, RedisProcess, request, seated

CHANNEL = Channel("1", "presence-room")
KINDS = [Entry, Whisper, Transition, Counted, Typed]
STEPS = [*pairwise(Pubsub)]


@pytest.mark.parametrize(
    "announcing, hearing",
    [*STEPS, *(step[::-1] for step in STEPS), *((way, way) for way in Pubsub)],
    ids=lambda way: way.value,
)
async def test_heard(
    redis_cluster_url: str, prefix: str, announcing: Pubsub, hearing: Pubsub
) -> None:
    """All that is announced is heard, and once."""
    keys = Keys(prefix)
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(RedisConnection(Url(redis_cluster_url), "bus"))
            for _ in range(2)
        ]
        process = RedisProcess.on(one, keys, pubsub=announcing)
        bus = RedisBus(one, keys, pubsub=announcing)
        listener = await stack.enter_async_context(RedisBus(other, keys, pubsub=hearing).listen())
        await listener.follow([CHANNEL])
        await process.leases.renew("g1", ttl=LONG)
        await bus.publish([event(CHANNEL, "a")])
        await bus.whisper(CHANNEL, Broadcast(b"psst", 1.0))
        await seated(process.roster, request(CHANNEL, "ann", socket_id="1.1"))
        subject = Subject("channel", "1", CHANNEL.name)
        await process.tally.report("g1", [Count(subject, 1, announced=True)])
        await process.typists.report([Report(CHANNEL, "ann", "g1", lasts=LONG)])
        await bus.publish([event(CHANNEL, "last")])
        deliveries = await heard(listener, len(KINDS) + 1)
        assert await listener.receive(0) == []

    assert [type(delivery) for delivery in deliveries] == [*KINDS, Entry]
