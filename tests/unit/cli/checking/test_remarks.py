"""What is said of servers that have described themselves."""

from dataclasses import replace
from typing import Any

import pytest

from libs.common.eventlog.kafka.inspection import KafkaCluster, TopicShape
from libs.common.postgres.inspection import PostgresServer
from libs.common.redis.inspection import RedisServer
from services.cli.checking.remarks import Remark, of_kafka, of_postgres, of_redis

REDIS = RedisServer(
    name="server",
    version="7.0.15",
    is_replica=False,
    replicas=0,
    used=1_000_000,
    most=10_000_000,
    eviction="noeviction",
    evicted=0,
    appends=True,
    snapshots=False,
    is_saved=True,
    ahead=0.01,
)
POSTGRES = PostgresServer(version="15.2", is_replica=False, most=100, pending=(), ahead=0.0)


def redis(**facts: Any) -> list[Remark]:
    return list(of_redis([replace(REDIS, **facts)]))


def postgres(*, needed: int = 4, is_ours: bool = True, **facts: Any) -> list[Remark]:
    server = replace(POSTGRES, **facts)
    return list(of_postgres(server, needed=needed, is_ours=is_ours))


class TestRedis:
    """A Redis that keeps what it confirms (docs/guarantees.md) is as it should be."""

    def test_good(self) -> None:
        assert redis() == []
        assert redis(version="", eviction="") == []  # A server that tells less.
        assert redis(most=0, appends=False, snapshots=True) == []
        assert redis(appends=False, snapshots=None) == []  # Which it does not say.

    @pytest.mark.parametrize(
        "facts,said",
        [
            ({"version": "6.2.14"}, "Redis 6.2.14 is too old"),
            ({"is_replica": True}, "it is a replica"),
            ({"eviction": "allkeys-lru", "evicted": 7}, "history, members and revocations when it"),
            ({"eviction": "volatile-ttl"}, "maxmemory-policy is volatile-ttl"),
        ],
    )
    def test_errors(self, facts: dict[str, Any], said: str) -> None:
        (remark,) = redis(**facts)

        assert remark.is_error
        assert said in remark.text
        assert ("7 keys have been dropped" in remark.text) is bool(facts.get("evicted"))

    @pytest.mark.parametrize(
        "facts,said",
        [
            ({"most": 0, "eviction": "allkeys-lru"}, "maxmemory-policy is allkeys-lru"),
            ({"used": 8_000_000}, "80% of maxmemory is used"),
            ({"appends": False}, "it writes nothing to disk"),
            ({"is_saved": False}, "its last write to disk failed"),
            ({"ahead": 2.5}, "its clock is 2.5 s ahead of this machine's"),
            ({"ahead": -3.0}, "its clock is 3.0 s behind this machine's"),
        ],
    )
    def test_doubts(self, facts: dict[str, Any], said: str) -> None:
        (remark,) = redis(**facts)

        assert not remark.is_error
        assert said in remark.text

    def test_cluster(self) -> None:
        """Of several servers each is named."""
        servers = [replace(REDIS, name="a:1"), replace(REDIS, name="b:2", is_replica=True)]

        (remark,) = of_redis(servers)

        assert remark.is_error
        assert remark.text.startswith("b:2: it is a replica")


class TestPostgres:
    """A PostgreSQL that is migrated and has room for all."""

    def test_good(self) -> None:
        assert postgres() == []
        assert postgres(pending=None) == []  # This role may not know.
        assert postgres(pending=("0001_apps.sql",), is_ours=False) == []

    @pytest.mark.parametrize(
        "facts,said",
        [
            ({"is_replica": True}, "it is a replica"),
            (
                {"pending": ("0007_sightings.sql",)},
                "it lacks the migration 0007_sightings.sql: run",
            ),
            ({"pending": ("0006_a.sql", "0007_b.sql")}, "the migration 0006_a.sql and 1 more: run"),
        ],
    )
    def test_errors(self, facts: dict[str, Any], said: str) -> None:
        (remark,) = postgres(**facts)

        assert remark.is_error
        assert said in remark.text

    def test_connections(self) -> None:
        (remark,) = postgres(needed=101)

        assert not remark.is_error
        assert "it takes 100 connections, and each process may open 101" in remark.text


class TestKafka:
    """Topics that are read and written are there, and stay when a broker goes."""

    def said(self, cluster: KafkaCluster) -> list[Remark]:
        return list(of_kafka(cluster, read={"read"}, written={"written"}))

    def test_good(self) -> None:
        topics = {"read": TopicShape(8, 3), "written": TopicShape(1, 2), "other": TopicShape(1, 1)}

        assert self.said(KafkaCluster(3, topics, makes_topics=False)) == []

    @pytest.mark.parametrize("makes", [False, None])
    def test_missing(self, *, makes: bool | None) -> None:
        """Where nobody makes them it is an error, also where it is not known."""
        read, written = self.said(KafkaCluster(1, {}, makes_topics=makes))

        assert read.is_error
        assert "there is no topic read, so that nothing is read from it" in read.text
        assert written.is_error
        assert "there is no topic written, so that what should go there waits" in written.text

    def test_made(self) -> None:
        """Kafka makes them with the number of partitions that it has for all: a doubt."""
        said = self.said(KafkaCluster(1, {"read": TopicShape(1, 1)}, makes_topics=True))

        assert [remark.is_error for remark in said] == [False]
        assert "there is no topic written yet" in said[0].text

    def test_alone(self) -> None:
        """A topic without replicas is doubtful where there could be some."""
        topics = {"read": TopicShape(8, 1), "written": TopicShape(1, 2)}

        (remark,) = self.said(KafkaCluster(2, topics, makes_topics=False))

        assert not remark.is_error
        assert "the topic read has no replicas" in remark.text

    def test_leaderless(self) -> None:
        topics = {"read": TopicShape(8, 2, leaderless=3), "written": TopicShape(1, 2)}

        (remark,) = self.said(KafkaCluster(2, topics, makes_topics=False))

        assert remark.is_error
        assert "3 of 8 partitions of the topic read have no leader" in remark.text
