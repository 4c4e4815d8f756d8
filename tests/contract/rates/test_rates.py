"""The contract of `rates.Rates`, on every adapter, and what only Redis can do wrong."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.rates.gcra import GRAIN, judge
from libs.common.rates.memory import MemoryRates
from libs.common.rates.port import Act, Rates
from libs.common.rates.redis import RedisRates
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from libs.common.redis.scripts import Call
from tests.support.ports.buses import MEMORY
from tests.support.servers import redis_server
from tests.support.servers.redis.server import connect

PUBLISHES = Act("1", "publishes")
SLOW = 1 / 600  # A second: what is used up is not earned again while a test runs.


@pytest.fixture
async def processes(roster_url: str, prefix: str) -> AsyncIterator[Sequence[Rates]]:
    """Yield the rates as two processes have them; as one in memory, where time stands still."""
    if roster_url == MEMORY:
        yield [MemoryRates(lambda: 1000.0)] * 2
        return
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(RedisConnection(Url(roster_url), "rates"))
            for _ in range(2)
        ]
        yield [RedisRates(connection, Keys(prefix)) for connection in connections]


class TestTake:
    """An act may be done as often as its rate allows; a second's worth at once."""

    async def test_wait(self, processes: Sequence[Rates]) -> None:
        """What is too much is told when it may be done, by every process, and is not counted."""
        one, other = processes
        assert await one.take(PUBLISHES, rate=SLOW) == 0

        waits = [await rates.take(PUBLISHES, rate=SLOW) for rates in (one, other, one, other)]

        assert all(0 < wait <= 600 + GRAIN for wait in waits)
        assert waits == sorted(waits, reverse=True)

    async def test_burst(self, processes: Sequence[Rates]) -> None:
        """A second's worth may be done at once, and then what is earned, whoever does it."""
        began = time.monotonic()

        waits = await asyncio.gather(
            *(rates.take(PUBLISHES, rate=30) for rates in processes for _ in range(50))
        )

        earned = 30 * (time.monotonic() - began)
        allowed = waits.count(0.0)
        assert min(30, len(waits)) <= allowed <= 30 + earned + 1
        assert all(0 <= wait <= 1 / 30 + GRAIN for wait in waits)

    async def test_acts_apart(self, processes: Sequence[Rates]) -> None:
        """Each act of each app has a rate of its own, whatever its name."""
        acts = [
            PUBLISHES,
            Act("1", "reads"),
            Act("2", "publishes"),
            Act("1", "zoë {x} / ☃"),
            Act("1", ""),
        ]

        waits = [await processes[0].take(act, rate=SLOW) for act in acts]

        assert waits == [0] * len(acts)
        assert all([await processes[1].take(act, rate=SLOW) for act in acts])

    async def test_cost(self, processes: Sequence[Rates]) -> None:
        """An act may cost more than one; what is not done costs nothing."""
        one, other = processes
        began = time.monotonic()
        first = await one.take(PUBLISHES, rate=10, cost=9)
        second = await other.take(PUBLISHES, rate=10, cost=9)
        took = time.monotonic() - began

        assert first == 0
        assert second <= 0.8 + GRAIN
        assert second > 0 or took > 0.7

    async def test_above_a_seconds_worth(self, processes: Sequence[Rates]) -> None:
        """What costs more than may ever be done at once costs a second's worth."""
        one, other = processes

        assert await one.take(PUBLISHES, rate=SLOW, cost=1_000_000) == 0
        assert 0 < await other.take(PUBLISHES, rate=SLOW, cost=1_000_000) <= 600 + GRAIN

    async def test_raised(self, processes: Sequence[Rates]) -> None:
        """A rate that is raised holds at once: nobody waits longer than for the present one."""
        await processes[0].take(PUBLISHES, rate=SLOW)

        assert await processes[1].take(PUBLISHES, rate=100) <= 1 / 100 + 2 * GRAIN


class TestRedis:
    """What only Redis can do wrong."""

    @given(
        ahead=st.floats(-10, 10),
        rate=st.floats(0.01, 10_000),
        cost=st.integers(0, 20_000),
    )
    @settings(max_examples=200)
    async def test_as_judged(self, redis_url: str, ahead: float, rate: float, cost: int) -> None:
        """The script decides as `judge` does, at an instant between before and after."""
        async with RedisConnection(Url(redis_url), "rates") as connection:
            keys = Keys(f"t{secrets.token_hex(6)}")
            key = keys.of("rate", Channel(*PUBLISHES))
            before = await clock(connection, key)
            earned_at = before + ahead
            await connection.ask(Call(key, ("SET", key, repr(earned_at), "PX", 60_000)))

            wait = await RedisRates(connection, keys).take(PUBLISHES, rate=rate, cost=cost)

            after = await clock(connection, key)
        longest, shortest = (
            judge(earned_at, now=now, rate=rate, cost=cost)[0] for now in (before, after)
        )
        assert shortest - GRAIN <= wait <= longest + GRAIN

    async def test_expiry(self, redis_url: str, prefix: str) -> None:
        """An act that is done no more is forgotten when all is earned again."""
        async with RedisConnection(Url(redis_url), "rates") as connection:
            keys = Keys(prefix)
            key = keys.of("rate", Channel(*PUBLISHES))
            await RedisRates(connection, keys).take(PUBLISHES, rate=SLOW)
            done = await connection.ask(Call(key, ("PTTL", key)))
            await RedisRates(connection, keys).take(PUBLISHES, rate=SLOW)
            refused = await connection.ask(Call(key, ("PTTL", key)))

        assert 0 < refused <= done <= 600_001

    async def test_clock_put_back(self, redis_url: str, prefix: str) -> None:
        """After a failover to a server whose clock is behind, nobody is barred for that."""
        async with RedisConnection(Url(redis_url), "rates") as connection:
            keys = Keys(prefix)
            key = keys.of("rate", Channel(*PUBLISHES))
            before = await clock(connection, key)
            await connection.ask(Call(key, ("SET", key, repr(before + 86_400), "PX", 86_400_000)))

            wait = await RedisRates(connection, keys).take(PUBLISHES, rate=SLOW)

            after = await clock(connection, key)
            earned_at = float(await connection.ask(Call(key, ("GET", key))))
            lives = await connection.ask(Call(key, ("PTTL", key)))
        assert 0 < wait <= 600 + 2 * GRAIN
        assert before + 600 <= earned_at <= after + 600 + 2 * GRAIN
        assert 0 < lives <= 600_001

    async def test_prefixes(self, redis_url: str, prefix: str) -> None:
        """Two deployments on one Redis share no rate."""
        async with RedisConnection(Url(redis_url), "rates") as connection:
            ours, theirs = (
                RedisRates(connection, Keys(f"{prefix}{letter}")) for letter in ("a", "b")
            )

            assert await ours.take(PUBLISHES, rate=SLOW) == 0
            assert await theirs.take(PUBLISHES, rate=SLOW) == 0

    async def test_away(self, prefix: str) -> None:
        """While Redis is away nothing is allowed and nothing refused, but said to be unknown."""
        async with (
            redis_server() as server,
            RedisConnection(Url(server.url), "rates") as connection,
        ):
            rates = RedisRates(connection, Keys(prefix))
            await rates.take(PUBLISHES, rate=SLOW)
            server.kill()

            with pytest.raises(Unavailable) as caught:
                await rates.take(PUBLISHES, rate=SLOW)

        assert caught.value.backend == "rates"

    async def test_no_memory(self, prefix: str) -> None:
        """Without memory left, rates hold nevertheless."""
        async with (
            redis_server() as server,
            RedisConnection(Url(server.url), "rates") as connection,
            connect(server.url) as client,
        ):
            rates = RedisRates(connection, Keys(prefix))
            await client.config_set("maxmemory", "1")

            assert await rates.take(PUBLISHES, rate=SLOW) == 0
            assert await rates.take(PUBLISHES, rate=SLOW) > 0


async def clock(connection: RedisConnection, key: str) -> float:
    """Read the clock of the server that has a key, in seconds."""
    seconds, microseconds = await connection.ask(Call(key, ("TIME",)))
    return int(seconds) + int(microseconds) / 1e6
