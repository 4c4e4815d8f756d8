"""
What is known of the backends in numbers: of the servers of Redis, of pools, of consumers.

Adapters count in plain numbers, which are read here.  What only Redis itself can tell is asked for
now and then, by `run`, and shown as it was said last.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping

from libs.common.bus.memory import MemoryBus
from libs.common.bus.redis import RedisBus
from libs.common.eventlog.kafka.log import KafkaEventLog
from libs.common.postgres.connection import PostgresConnection
from libs.common.redis.connection import RedisConnection
from libs.common.redis.unreadable import KINDS, passed_over
from libs.common.telemetry.metrics.families import Metric, counter, gauge

LOOK = 15.0  # Seconds from one question to a server of Redis to the next.
PATIENCE = 6.0  # Seconds for the servers of one place: longer than the deadlines of each.

PUBLISHED = counter(
    "fanfare_bus_publications_total",
    "Broadcasts that the bus took from this process: `appended`, or `repeated`, as it had them "
    "already: duplicates that nobody saw.",
    "result",
)
REDIS_MEMORY = gauge(
    "fanfare_redis_memory_used_bytes",
    "Memory that a server of Redis uses (INFO, `used_memory`). Missing where it is away, or does "
    "not permit INFO.",
    "server",
)
REDIS_MOST = gauge(
    "fanfare_redis_memory_max_bytes",
    "Memory that it may use (`maxmemory`); 0: all that the machine has.",
    "server",
)
REDIS_EVICTED = counter(
    "fanfare_redis_evicted_keys_total",
    "Keys that it dropped for want of memory: history and members may be among them.",
    "server",
)
REDIS_LAG = gauge(
    "fanfare_redis_replication_lag_bytes",
    "By how much the slowest of its replicas is behind; missing where it has none.",
    "server",
)
REDIS_UNREADABLE = counter(
    "fanfare_redis_unreadable_total",
    "What stands in Redis and could not be read, so that it was passed over, by what it is: "
    "`redis.skipped` in the log. Other programs write there, or another release.",
    "kind",
)
POOL_USED = gauge(
    "fanfare_postgres_connections_used", "Connections to PostgreSQL that are in use.", "backend"
)
POOL_MOST = gauge(
    "fanfare_postgres_connections_max",
    "Connections that there may be: `postgres.pool_size`.",
    "backend",
)
ACQUIRED = counter(
    "fanfare_postgres_acquires_total", "Times that a connection was asked for.", "backend"
)
ACQUIRE_SECONDS = counter(
    "fanfare_postgres_acquire_seconds_total",
    "How long was waited for these connections, in all.",
    "backend",
)
LAG = gauge(
    "fanfare_consumer_lag_records",
    "Records of a partition that this process owns and has not read: the depth of the queue.",
    "group",
    "topic",
    "partition",
)
ASSIGNED = gauge(
    "fanfare_consumer_partitions",
    "Partitions that this process reads. All processes of a group together should have all.",
    "group",
)
BLOCKED = gauge(
    "fanfare_consumer_partitions_blocked",
    "Partitions among them that hold a record which cannot be read: `events.partition_blocked`.",
    "group",
)
REBALANCES = counter(
    "fanfare_consumer_rebalances_total", "Times that partitions were assigned.", "group"
)
RESTARTS = counter(
    "fanfare_consumer_restarts_total",
    "Times that the client of a consumer was replaced, as Kafka was away or nothing came of it.",
    "group",
)


class BackendMetrics:
    """
    The numbers of this process's backends.

    Attributes:
        bus: Where this process publishes.
        events: The log, where it is Kafka.
    """

    def __init__(self) -> None:
        self.bus: MemoryBus | RedisBus | None = None
        self.events: KafkaEventLog | None = None
        self._redis: dict[object, RedisConnection] = {}  # One for each place.
        self._postgres: list[PostgresConnection] = []
        self._figures: Mapping[str, Mapping[str, str]] = {}

    def watch_redis(self, connection: RedisConnection, place: object) -> None:
        """Ask the servers of a place, once for all ports that are there."""
        self._redis.setdefault(place, connection)

    def watch_postgres(self, connection: PostgresConnection) -> None:
        """Show the pool of a port."""
        self._postgres.append(connection)

    async def run(self) -> None:
        """Ask the servers of Redis how they are, again and again, until cancelled."""
        while self._redis:
            await self._ask()
            await asyncio.sleep(LOOK)

    async def _ask(self) -> None:
        asked = await asyncio.gather(*map(_figures_of, self._redis.values()))
        self._figures = {name: said for each in asked for name, said in each.items()}

    def metrics(self) -> Iterator[Metric]:
        """See `Measured.metrics`."""
        yield PUBLISHED.by(self.bus.published if self.bus else {})
        yield from self._of_redis()
        yield from self._of_postgres()
        yield from self._of_kafka()

    def _of_redis(self) -> Iterator[Metric]:
        yield REDIS_MEMORY.by(self._said("used_memory"))
        yield REDIS_MOST.by(self._said("maxmemory"))
        yield REDIS_EVICTED.by(self._said("evicted_keys"))
        yield REDIS_UNREADABLE.by(passed_over(), known=KINDS)
        lags = {name: _replication_lag(said) for name, said in self._figures.items()}
        yield REDIS_LAG.by({name: lag for name, lag in lags.items() if lag is not None})

    def _said(self, field: str) -> dict[str, int]:
        return {name: int(said[field]) for name, said in self._figures.items() if field in said}

    def _of_postgres(self) -> Iterator[Metric]:
        used: Counter[str] = Counter()
        most: Counter[str] = Counter()
        acquires: Counter[str] = Counter()
        seconds: dict[str, float] = {}
        for each in self._postgres:  # Two ports may have the same name.
            name = each.backend
            used[name] += each.used
            most[name] += each.most
            acquires[name] += each.acquires
            seconds[name] = seconds.get(name, 0.0) + each.acquire_seconds
        yield POOL_USED.by(used)
        yield POOL_MOST.by(most)
        yield ACQUIRED.by(acquires)
        yield ACQUIRE_SECONDS.by(seconds)

    def _of_kafka(self) -> Iterator[Metric]:
        consumers = self.events.consumers if self.events else ()
        yield LAG.by(
            {
                (each.group, topic, str(partition)): lag
                for each in consumers
                for (topic, partition), lag in each.lag.items()
            }
        )
        yield ASSIGNED.by({each.group: len(each.assigned) for each in consumers})
        yield BLOCKED.by({each.group: len(each.blocked) for each in consumers})
        rebalances = self.events.rebalances if self.events else Counter[str]()
        restarts = self.events.restarts if self.events else Counter[str]()
        yield REBALANCES.by(rebalances)
        yield RESTARTS.by(restarts)


async def _figures_of(connection: RedisConnection) -> Mapping[str, Mapping[str, str]]:
    """Ask the servers of one place; nothing of those that do not answer in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await connection.figures()
    except TimeoutError:
        return {}


def _replication_lag(said: Mapping[str, str]) -> int | None:
    """Return how many bytes the slowest replica is behind its master; None: there is none."""
    replicas = [
        dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
        for name, text in said.items()
        if name.startswith("slave") and "offset=" in text
    ]
    if not replicas or "master_repl_offset" not in said:
        return None
    slowest = min(int(replica["offset"]) for replica in replicas)
    return max(0, int(said["master_repl_offset"]) - slowest)
