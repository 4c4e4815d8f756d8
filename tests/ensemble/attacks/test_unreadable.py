"""
Redis has what nobody can read, wherever a deployment looks: its processes start, serve and end all the same.

What stands there is spoilt by its own kinds of keys, so that keys that a later release adds are too.
"""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import redis.asyncio

from tests.support.clients.back_ends import BackEnd
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deployments.fleet import APP, Plain, said
from tests.support.deployments.program import Program

ROOM, CACHE, NEWS = "presence-room", "cache-news", "news"
RULES = """
[[typing]]
app = "1"
pattern = "presence-{room}"

[presence]
lifecycle_topic = "facts"
"""
SUPPLANT = "redis.call('UNLINK', KEYS[1]) redis.call('RPUSH', KEYS[1], 'none')"
GARBAGE = (
    b"\xff\xfe\x00",
    b'{"verb":"termin',
    b"",
    b"[" * 5000 + b"]" * 5000,
    b'{"verb":"terminate","app":7}',
    b"9" * 400,
    b"\xff 1 \xff/\xff",
    b'{"v":99}\n\xff',
)


class Ruled(Plain):
    """A fleet that keeps something of each kind in Redis."""

    def write_settings(self) -> Path:
        """See `Fleet.write_settings`."""
        file = super().write_settings()
        file.write_text(file.read_text() + RULES)
        return file


@pytest.fixture
async def stored(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        yield client


@asynccontextmanager
async def served(program: Program, *, members: bool = True) -> AsyncIterator[Callable[[], Visitor]]:
    """See that members, members' lists, events and what a cache keeps come; yield makers of more."""
    timeout = aiohttp.ClientTimeout(total=20)
    async with visitors(APP) as visitor, aiohttp.ClientSession(timeout=timeout) as http:
        back_end, ann, bob = BackEnd(http, APP), visitor(), visitor()
        for guest, user in ((ann, "ann"), (bob, "bob")):
            await guest.connect(program.url)
            if members:
                await guest.sign_in(user)
                await guest.join(ROOM, user=user)
            await guest.join(NEWS)
            await guest.join(CACHE)
        for name in (NEWS, CACHE, ROOM)[: 2 + members]:
            assert (await back_end.publish(program.url, name, {"n": 1})).status == 200
            await ann.until_heard(name, {"n": 1})
        if members:
            await ann.until(lambda: {"ann", "bob"} <= ann.members(ROOM))
        await back_end.send("POST", program.url, "/users/eve/terminate_connections")
        yield visitor


async def spoil(stored: redis.asyncio.Redis, prefix: str) -> set[str]:
    """Put garbage into all that is there, beside it and in its place; return which kinds there are."""
    garbage, kinds = itertools.cycle(GARBAGE), set()
    async for key in stored.scan_iter(f"{prefix}*"):
        type_ = await stored.type(key)
        kind = type_ if isinstance(type_, str) else type_.decode()
        kinds.add(kind)
        match kind:
            case "string":
                await stored.set(key, next(garbage), keepttl=True)
            case "hash":
                for field in await stored.hkeys(key):
                    await stored.hset(key, field, next(garbage))
                for each in GARBAGE:
                    await stored.hset(key, each, next(garbage))
            case "set":
                await stored.sadd(key, *GARBAGE)
            case "zset":
                await stored.zadd(key, dict.fromkeys(GARBAGE, 0))
            case "stream":
                for each in GARBAGE:
                    await stored.xadd(key, {"o": each})
                    await stored.xadd(key, {each: each, b"d": each})
    return kinds


async def supplant(stored: redis.asyncio.Redis, prefix: str) -> None:
    """Put a list, which nobody has, in the place of each key."""
    async for key in stored.scan_iter(f"{prefix}*"):
        await stored.eval(SUPPLANT, 1, key)


async def whisper_garbage(stored: redis.asyncio.Redis, prefix: str) -> int:
    """Tell garbage on all that a deployment listens to; return how many heard."""
    heard = 0
    for name in await stored.pubsub_channels(f"{prefix}:*"):
        for begin in (b"e1 a 1\n", b"w1\n", b"m1 1 + 2\n", b"c1 ", b"t1 1\n", b""):
            for each in GARBAGE:
                heard += await stored.publish(name, begin + each)
    return heard


def check_log(program: Program) -> None:
    """See that nothing of it was a fault of ours; that facts are gone where they were spoilt is true."""
    others = [line for line in said(program) if line["event"] != "facts.lost"]
    assert [line for line in others if line["level"] == "error" or "exception" in line] == []
    assert len(said(program)) < 300


async def test_everywhere(tmp_path: Path, redis_url: str, stored: redis.asyncio.Redis) -> None:
    """Spoilt values are as if they were not there; spoilt keys take with them what they were for."""
    fleet = Ruled(tmp_path, redis=redis_url)
    async with fleet.running() as program, served(program) as visitor:
        kinds = await spoil(stored, fleet.prefix)
        assert await whisper_garbage(stored, fleet.prefix) > 0
        guest = visitor()
        await guest.connect(program.url)
        await guest.join(NEWS)
        assert await program.stop() == 0
    assert kinds == {"string", "hash", "set", "zset", "stream"}
    check_log(program)
    await spoil(stored, fleet.prefix)

    async with fleet.running() as program, served(program):
        await supplant(stored, fleet.prefix)
        assert await program.stop() == 0
    check_log(program)
    assert said(program, "command.skipped")
    await supplant(stored, fleet.prefix)

    async with fleet.running(until="live") as program:
        async with served(program, members=False):
            pass
        assert await program.stop() == 0
    check_log(program)
    assert said(program, "redis.skipped")
