"""What clients say to each other, and caches that were found empty, are recorded where somebody wants it."""

import asyncio

from libs.common.lifecycle.facts import Fact, Stream
from libs.common.lifecycle.memory import MemoryLifecycle
from libs.common.lifecycle.port import nobody
from tests.support.deadline import DEADLINE
from tests.support.fakes.lifecycles import FaultyLifecycle
from tests.support.services.gateway import APP, place

STREAM = Stream(APP.id, 0)


async def recorded(lifecycle: MemoryLifecycle, count: int) -> list[Fact]:
    """Wait until so much is recorded, and return it."""
    async with asyncio.timeout(DEADLINE):
        while len(records := (await lifecycle.read(STREAM, "test", limit=100)).records) < count:
            await asyncio.sleep(0)
    return [record.fact for record in records]


async def test_client_event() -> None:
    """Its data is told as it was sent, and in a presence channel also who did."""
    lifecycle = MemoryLifecycle()
    async with place(lifecycle=lifecycle) as here:
        ann = await here.join("presence-room", user="ann")
        await here.join("presence-room", user="bob")
        await ann.whisper("presence-room", "client-typing", {"is": "typing"})
        (fact,) = await recorded(lifecycle, 1)

    assert (fact.kind, fact.channel, fact.event) == (
        "client_event",
        "presence-room",
        "client-typing",
    )
    assert (fact.user, fact.socket_id) == ("ann", ann.socket_id)
    assert fact.data.replace(" ", "") == '{"is":"typing"}'


async def test_cache_miss() -> None:
    """Each newcomer that hears of an empty cache is told of; other channels have none."""
    lifecycle = MemoryLifecycle()
    async with place(lifecycle=lifecycle) as here:
        for name in ("cache-news", "news", "private-cache-news", "cache-news"):
            await here.join(name)
        facts = await recorded(lifecycle, 3)

    assert [(fact.kind, fact.channel) for fact in facts] == [
        ("cache_miss", "cache-news"),
        ("cache_miss", "private-cache-news"),
        ("cache_miss", "cache-news"),
    ]


async def test_unwanted() -> None:
    """Where nobody wants it nothing is recorded, also when the others have heard of it."""
    lifecycle = MemoryLifecycle()
    async with place(lifecycle=lifecycle, wanted=nobody) as here:
        ann = await here.join("presence-room", user="ann")
        bob = await here.join("presence-room", user="bob")
        await here.join("cache-news")
        await ann.whisper("presence-room", "client-typing", {})
        await bob.expect("client-typing", "presence-room")

        assert await lifecycle.heads([0]) == {}


async def test_away() -> None:
    """What cannot be recorded is dropped and counted, and clients do not notice."""
    lifecycle = FaultyLifecycle()
    lifecycle.is_away = True
    async with place(lifecycle=lifecycle) as here:
        await here.join("cache-news")
        async with asyncio.timeout(DEADLINE):
            while here.gateway.counters.facts_dropped < 1:
                await asyncio.sleep(0)
