"""What is known of backends in numbers, by real servers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from libs.common.backends import metrics
from libs.common.backends.adapters import Backends, Plan, opened
from libs.common.backends.settings import BackendSettings
from libs.common.bus.messages import Broadcast, Publication, Source
from libs.common.bus.settings import HistorySettings
from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.eventlog.kafka.settings import KafkaSettings
from libs.common.eventlog.records import NewRecord
from libs.common.memberships.membership import Membership
from libs.common.postgres.migrate import migrate
from libs.common.postgres.settings import PostgresSettings
from libs.common.web.health import state_of
from tests.support.deadline import DEADLINE
from tests.support.servers import redis_server
from tests.support.servers.redis.server import connect

CHANNEL = Channel("1", "news")
QUICK = 0.02  # Seconds.

Values = dict[tuple[str, ...], Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "LOOK", QUICK)


@asynccontextmanager
async def on(prefix: str, **urls: str) -> AsyncIterator[Backends]:
    """Open adapters, and ask the backends as a process does."""
    named = {name: Url(url) for name, url in urls.items()}
    plan = Plan(
        BackendSettings(prefix=prefix, **named),  # type: ignore[arg-type]
        HistorySettings(),
        KafkaSettings(),
        PostgresSettings(),
        [],
    )
    async with asyncio.timeout(2 * DEADLINE), opened(plan) as backends:
        task = asyncio.create_task(backends.metrics.run())
        yield backends
        task.cancel()
        await asyncio.wait([task])


def told(backends: Backends, name: str) -> Values:
    """Return the values of a family, by labels."""
    (found,) = (
        each for each in backends.metrics.metrics() if each.family.name == f"fanfare_{name}"
    )
    return dict(found.values)


async def until(backends: Backends, name: str, holds: Callable[[Values], bool]) -> Values:
    while not holds(values := told(backends, name)):
        await asyncio.sleep(QUICK)
    return values


class TestRedis:
    """INFO, once for all ports that are at one place."""

    async def test_memory(self, redis_url: str, prefix: str) -> None:
        async with on(prefix, bus=redis_url, roster=redis_url) as backends:
            used = await until(backends, "redis_memory_used_bytes", bool)

            ((server,),) = used
            assert server in redis_url
            assert used[server,] > 100_000
            assert told(backends, "redis_memory_max_bytes") == {(server,): 0}
            assert told(backends, "redis_evicted_keys_total") == {(server,): 0}
            assert told(backends, "redis_replication_lag_bytes") == {}

    async def test_cluster(self, redis_cluster_url: str, prefix: str) -> None:
        """
        Each master tells its own.
        """
        urls = {"bus": redis_cluster_url, "roster": redis_cluster_url}
        async with on(prefix, **urls) as backends:
            used = await until(backends, "redis_memory_used_bytes", bool)

        assert len(used) == 3

    async def test_not_permitted(self, prefix: str) -> None:
        """
        A user that may not ask is no outage: all else is well.
        """
        async with redis_server() as server:
            async with connect(server.url) as client:
                await client.execute_command("ACL", "SETUSER", "default", "-info")
            async with on(prefix, bus=server.url, roster=server.url) as backends:
                await asyncio.sleep(3 * QUICK)

                assert told(backends, "redis_memory_used_bytes") == {}
                assert await state_of(backends.bus.check) == "ok"

    async def test_gone(self, prefix: str) -> None:
        """
        What a server said last is not shown for ever; it comes back with the server.
        """
        async with redis_server() as server, on(prefix, bus=server.url, roster=server.url) as here:
            await until(here, "redis_memory_used_bytes", bool)
            server.kill()
            await until(here, "redis_memory_used_bytes", lambda used: not used)
            await server.start()
            await until(here, "redis_memory_used_bytes", bool)


class TestBus:
    """What became of publications."""

    @pytest.mark.parametrize("kind", ["memory", "redis"])
    async def test_repeated(self, kind: str, prefix: str, request: pytest.FixtureRequest) -> None:
        """
        Duplicates that nobody saw are counted.
        """
        url = "memory://" if kind == "memory" else await _lent(request, "redis_url")
        async with on(prefix, bus=url, roster=url) as backends:
            source = Source("orders/0", 7, 1.0)
            publication = Publication(CHANNEL, Broadcast(b"{}", 1.0), source)

            await backends.bus.publish([publication])
            await backends.bus.publish([publication, Publication(CHANNEL, Broadcast(b"{}", 1.0))])

            values = told(backends, "bus_publications_total")

        assert values == {("appended",): 2, ("repeated",): 1}


class TestPostgres:
    """Pools."""

    async def test_pool(self, database_url: str, prefix: str) -> None:
        """
        Each question takes a connection; the apps' port keeps one, which listens.
        """
        await migrate(Url(database_url))
        async with on(prefix, apps=database_url, memberships=database_url) as backends:
            await backends.memberships.ask([Membership("1", "ann", "team")])

            assert told(backends, "postgres_acquires_total")["memberships",] >= 1
            assert told(backends, "postgres_acquire_seconds_total")["memberships",] > 0
            assert told(backends, "postgres_connections_used")["memberships",] >= 0
            most = told(backends, "postgres_connections_max")
            assert most["memberships",] == PostgresSettings().pool_size


class TestKafka:
    """Consumers."""

    async def test_lag(self, kafka_url: str, prefix: str) -> None:
        """
        How much waits, by group, topic and partition; what a consumer counted stays when it has gone.
        """
        async with on(prefix, events=kafka_url) as backends:
            assert backends.events is not None
            await backends.events.append([NewRecord(prefix, b"%d" % n) for n in range(5)])
            for _ in range(2):
                async with backends.events.consume([prefix], group=prefix) as consumer:
                    while not await consumer.fetch(1.0):
                        pass
                    await until(backends, "consumer_lag_records", bool)
                    assert told(backends, "consumer_partitions") == {(prefix,): 1}
                    assert told(backends, "consumer_partitions_blocked") == {(prefix,): 0}

            assert told(backends, "consumer_partitions") == {}
            assert told(backends, "consumer_rebalances_total") == {(prefix,): 2}


async def _lent(request: pytest.FixtureRequest, name: str) -> str:
    return str(request.getfixturevalue(name))
