"""Streams on a Redis that loses its data."""

import pytest

from libs.common.lifecycle.facts import Fact
from libs.common.lifecycle.port import Fenced
from libs.common.lifecycle.redis import RedisLifecycle
from tests.support.ports.rosters import LONG, RedisProcess

FACT = Fact(kind="cache_miss", app="1", channel="cache-a")


class TestLost:
    """Redis loses what it keeps."""

    async def test_fences(self, one: RedisProcess) -> None:
        """Who owned a partition before that can note nothing, though its fence was the first there too."""
        lifecycle = RedisLifecycle(one.connection, one.keys)
        everywhere = range(lifecycle.partitions)
        before = await lifecycle.take("p1", everywhere, ttl=LONG)
        for partition in everywhere:
            await one.ask(one.keys.partition("lifecycle.owner", partition), "DEL")
        after = await lifecycle.take("p2", everywhere, ttl=LONG)
        await lifecycle.record([FACT])
        (stream,) = await lifecycle.heads(everywhere)
        (record,) = (await lifecycle.read(stream, "topic", limit=1)).records

        assert all(after[partition] > before[partition] for partition in everywhere)
        with pytest.raises(Fenced):
            await lifecycle.advance(record, "topic", fence=before[stream.partition])
