"""
What is to be said of servers, after they have described themselves.

An error is what does not work, or loses something that docs/guarantees.md promises; all else is a
doubt.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from libs.common.eventlog.kafka.inspection import KafkaCluster
from libs.common.postgres.inspection import PostgresServer
from libs.common.redis.inspection import RedisServer

OLDEST_REDIS = 7  # Scripts carry flags, which older ones do not know.
FULL = 0.8  # Of the memory that a Redis may use.
SKEW = 2.0  # Seconds between two clocks, of which tokens and signatures hardly notice less.


@dataclass(frozen=True, slots=True)
class Remark:
    """
    A sentence.

    Attributes:
        text: Without a full stop.
        is_error: Whether it must be mended; else it may be what was meant.
    """

    text: str
    is_error: bool = False


def error(text: str) -> Remark:
    """Say what must be mended."""
    return Remark(text, is_error=True)


def of_redis(servers: Sequence[RedisServer]) -> Iterator[Remark]:
    """Judge the servers of one URL; of several each remark names its own."""
    for server in servers:
        where = f"{server.name}: " if len(servers) > 1 else ""
        for remark in _of_one_redis(server):
            yield Remark(where + remark.text, remark.is_error)


def _of_one_redis(server: RedisServer) -> Iterator[Remark]:
    if _major(server.version) < OLDEST_REDIS:
        yield error(f"Redis {server.version} is too old: {OLDEST_REDIS} is the oldest that works")
    if server.is_replica:
        yield error("it is a replica, which takes no writes: name the master, or its sentinels")
    yield from _of_memory(server)
    if not server.appends and server.snapshots is False:
        yield Remark(
            "it writes nothing to disk, so that revocations, members and history are gone with a "
            "restart: appendonly yes"
        )
    if not server.is_saved:
        yield Remark("its last write to disk failed: its log says why")
    yield from _of_clock(server.ahead)


def _of_memory(server: RedisServer) -> Iterator[Remark]:
    if server.eviction not in {"", "noeviction"}:
        dropped = f"; {server.evicted} keys have been dropped" if server.evicted else ""
        yield Remark(
            f"maxmemory-policy is {server.eviction}, with which it drops history, members and "
            f"revocations when it is full{dropped}: maxmemory-policy noeviction",
            is_error=server.most > 0,
        )
    if server.most and server.used >= server.most * FULL:
        yield Remark(
            f"{server.used / server.most:.0%} of maxmemory is used, and when it is full it takes "
            "no writes"
        )


def of_postgres(server: PostgresServer, *, needed: int, is_ours: bool) -> Iterator[Remark]:
    """
    Judge a server.

    Args:
        server: As it describes itself.
        needed: Connections that one process may open to it.
        is_ours: Whether tables of ours must be there.
    """
    if server.is_replica:
        yield error("it is a replica, which takes no writes: name the primary")
    if is_ours and server.pending:
        yield error(f"it lacks {_listed(server.pending)}: run fanfare migrate")
    if server.most < needed:
        yield Remark(
            f"it takes {server.most} connections, and each process may open {needed}: raise its "
            "max_connections, or lower postgres.pool_size"
        )
    yield from _of_clock(server.ahead)


def of_kafka(
    cluster: KafkaCluster, *, read: Collection[str], written: Collection[str]
) -> Iterator[Remark]:
    """
    Judge a cluster.

    Args:
        cluster: As it describes itself.
        read: Topics that are read here.
        written: Topics that are appended to, and not read.
    """
    for topic in cluster.missing([*read, *written]):
        yield _missing(topic, cluster, is_read=topic in read)
    for name in sorted({*read, *written} & cluster.topics.keys()):
        shape = cluster.topics[name]
        if shape.leaderless:
            yield error(
                f"{shape.leaderless} of {shape.partitions} partitions of the topic {name} have no "
                "leader: a broker that has them is away"
            )
        if shape.replicas == 1 < cluster.brokers:
            yield Remark(
                f"the topic {name} has no replicas: its events are away with one of "
                f"{cluster.brokers} brokers"
            )


def _missing(topic: str, cluster: KafkaCluster, *, is_read: bool) -> Remark:
    waits = "nothing is read from it" if is_read else "what should go there waits"
    if cluster.makes_topics:
        return Remark(
            f"there is no topic {topic} yet: Kafka makes it, with as many partitions as it makes "
            "of all, once it is used"
        )
    return error(f"there is no topic {topic}, so that {waits}: kafka-topics --create makes it")


def _of_clock(ahead: float) -> Iterator[Remark]:
    if abs(ahead) > SKEW:
        where = "ahead of" if ahead > 0 else "behind"
        yield Remark(f"its clock is {abs(ahead):.1f} s {where} this machine's: is NTP running?")


def _major(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isdigit() else OLDEST_REDIS


def _listed(names: Sequence[str]) -> str:
    return f"the migration {names[0]}" + (f" and {len(names) - 1} more" if names[1:] else "")
