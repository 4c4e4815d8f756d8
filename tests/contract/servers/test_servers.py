"""The servers of tests.support.servers work: what one client writes, another reads."""

import asyncio
import secrets
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from redis.asyncio import RedisCluster as ClusterClient
from redis.asyncio import Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.exceptions import RedisError

from tests.support.deadline import DEADLINE
from tests.support.servers import (
    Certificates,
    NoServer,
    Server,
    kafka_server,
    postgres_server,
    redis_cluster,
    redis_sentinel,
    redis_server,
    shared,
)
from tests.support.servers.kafka import connection
from tests.support.servers.postgres import probe_postgres
from tests.support.servers.process import NotReady, eventually
from tests.support.servers.redis.server import connect, probe_redis, visit


async def redis_keeps(url: str, key: str) -> None:
    async with connect(url) as writer, connect(url) as reader:
        await writer.set(key, "v")

        assert await reader.get(key) == "v"


async def is_master(server: Server) -> bool:
    async with visit(server.url) as client:  # A promotion ends connections.
        return bool((await client.info("replication"))["role"] == "master")


async def kafka_keeps(url: str, topic: str, certificates: Certificates | None = None) -> None:
    arguments = connection(url, certificates=certificates)
    async with AIOKafkaProducer(**arguments) as producer:
        await producer.send_and_wait(topic, b"v")
    await kafka_has(url, topic, b"v", certificates)


async def kafka_has(
    url: str, topic: str, value: bytes, certificates: Certificates | None = None
) -> None:
    arguments = connection(url, certificates=certificates)
    group = f"{topic}-{secrets.token_hex(4)}"  # Nobody has read before it.
    reader = AIOKafkaConsumer(topic, group_id=group, auto_offset_reset="earliest", **arguments)
    async with reader, asyncio.timeout(DEADLINE):
        record = await reader.getone()

        assert record.value == value


async def postgres_keeps(url: str) -> None:
    writer, reader = await asyncpg.connect(url), await asyncpg.connect(url)
    await writer.execute("CREATE TABLE kept (value text)")
    await writer.execute("INSERT INTO kept VALUES ('v')")

    assert await reader.fetchval("SELECT value FROM kept") == "v"
    await writer.close()
    await reader.close()


async def is_cut_off(client: asyncpg.Connection) -> bool:
    try:
        await client.execute("SELECT count(*) FROM generate_series(1, 1000000000)")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return True
    return False


class TestShared:
    """The servers that all tests share."""

    async def test_redis(self, redis_url: str, prefix: str) -> None:
        """The run's Redis keeps a key."""
        await redis_keeps(redis_url, prefix)

    async def test_kafka(self, kafka_url: str, prefix: str) -> None:
        """The run's Kafka keeps a record and serves consumer groups."""
        await kafka_keeps(kafka_url, prefix)

    async def test_postgres(self, database_url: str, postgres_url: str) -> None:
        """A test's database is its own."""
        assert database_url != postgres_url

        await postgres_keeps(database_url)

    async def test_named_server_is_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A URL in the environment where nobody answers is an error that names the variable."""
        monkeypatch.setenv("FANFARE_TEST_REDIS_URL", "redis://127.0.0.1:1/0")

        with pytest.raises(NoServer, match="FANFARE_TEST_REDIS_URL"):
            async with shared("redis"):
                pass

    async def test_program_is_missing(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Without a server and the means to start one, a sentence says what to install or set."""
        monkeypatch.delenv("FANFARE_TEST_REDIS_URL", raising=False)
        monkeypatch.setattr("tests.support.servers.developer.RECORDS", tmp_path / "none.json")
        monkeypatch.setenv("PATH", str(tmp_path))

        with pytest.raises(NoServer, match=r"FANFARE_TEST_REDIS_URL .* redis-server is missing"):
            async with shared("redis"):
                pass


class TestRedis:
    """Redis servers of a test's own."""

    async def test_acl_user(self, redis_acl_url: str, prefix: str) -> None:
        """The ACL user is admitted, and nobody else."""
        await redis_keeps(redis_acl_url, prefix)

        stranger = connect("redis://" + redis_acl_url.rpartition("@")[2])
        with pytest.raises(RedisError, match=r"NOAUTH|authenticated"):
            await stranger.ping()
        await stranger.aclose()

    async def test_tls(self, rediss_url: str, prefix: str) -> None:
        """A client that knows the CA is served."""
        await redis_keeps(rediss_url, prefix)

    async def test_tls_without_the_ca(self, rediss_url: str) -> None:
        """A client that does not know the CA refuses the server."""
        with pytest.raises(NotReady, match="CERTIFICATE_VERIFY_FAILED"):
            await probe_redis(rediss_url.partition("?")[0])

    async def test_crash_and_restart(self, prefix: str) -> None:
        """After a kill the same port has the same data."""
        async with redis_server() as server:
            await redis_keeps(server.url, prefix)
            url = server.url
            server.kill()
            with pytest.raises(NotReady):
                await probe_redis(url)

            await server.restart()

            async with connect(url) as client:
                assert await client.get(prefix) == "v"

    async def test_restart_without_data(self, prefix: str) -> None:
        """A server that is not durable comes back empty."""
        async with redis_server(durable=False) as server:
            await redis_keeps(server.url, prefix)

            await server.restart()

            async with connect(server.url) as client:
                assert await client.get(prefix) is None

    async def test_pause(self) -> None:
        """A paused server holds connections and answers when it goes on."""
        async with redis_server() as server, connect(server.url) as client:
            await client.ping()
            server.pause()
            with pytest.raises(NotReady, match="Timeout"):
                await probe_redis(server.url)

            server.resume()

            await probe_redis(server.url)

    async def test_cluster(self, redis_cluster_url: str, prefix: str) -> None:
        """Keys of all three masters are kept."""
        hosts = redis_cluster_url.removeprefix("redis+cluster://").split(",")
        assert len(hosts) == 3
        start = [ClusterNode(*host.split(":")) for host in hosts]
        async with ClusterClient(startup_nodes=start, decode_responses=True) as client:
            for number in range(30):
                await client.set(f"{prefix}{number}", number)

            assert [await client.get(f"{prefix}{number}") for number in range(30)] == [
                str(number) for number in range(30)
            ]

    async def test_cluster_node_restarts(self) -> None:
        """A node that was killed finds its way back into the cluster."""
        async with redis_cluster() as cluster:
            cluster.nodes[1].kill()
            await cluster.nodes[1].start()

            await cluster.wait_until_ready()

    async def test_sentinel(self, redis_sentinel_url: str, prefix: str) -> None:
        """The Sentinel names a master that keeps a key."""
        host, service, _ = redis_sentinel_url.removeprefix("redis+sentinel://").split("/")
        watchers = Sentinel([tuple(host.split(":"))])
        master = watchers.master_for(service, decode_responses=True)
        async with master:
            await master.set(prefix, "v")

            assert await master.get(prefix) == "v"

    async def test_failover(self) -> None:
        """Three Sentinels promote the replica when the master is dead."""
        async with redis_sentinel(sentinels=3, down_after=0.5) as found:
            found.master.kill()

            await eventually(lambda: is_master(found.replica), timeout=DEADLINE)


class TestKafka:
    """Kafka brokers of a test's own."""

    async def test_sasl_and_tls(
        self, kafka_secure_url: str, certificates: Certificates, prefix: str
    ) -> None:
        """A user with the password and the CA is served."""
        await kafka_keeps(kafka_secure_url, prefix, certificates)

    @pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
    async def test_mechanisms(
        self, kafka_secure_url: str, certificates: Certificates, mechanism: str, prefix: str
    ) -> None:
        """Every mechanism works."""
        arguments = connection(kafka_secure_url, certificates=certificates)
        async with AIOKafkaProducer(**{**arguments, "sasl_mechanism": mechanism}) as producer:
            assert (await producer.send_and_wait(prefix, b"v")).offset == 0

    async def test_crash_and_restart(self, prefix: str) -> None:
        """After a kill the same port has the same records."""
        async with kafka_server() as server:
            await kafka_keeps(server.url, prefix)
            server.kill()

            await server.restart()

            await kafka_has(server.url, prefix, b"v")


class TestPostgres:
    """PostgreSQL servers of a test's own."""

    async def test_pause(self) -> None:
        """A paused server does not answer on open connections either, and then goes on."""
        async with postgres_server() as server:
            client = await asyncpg.connect(server.url)
            server.pause()
            with pytest.raises(TimeoutError):
                await client.fetchval("SELECT 1", timeout=0.3)

            server.resume()

            await probe_postgres(server.url)
            client.terminate()

    async def test_tls(self, postgres_tls_url: str) -> None:
        """A client that verifies in full is served."""
        await postgres_keeps(postgres_tls_url)

    async def test_plain_connections_are_refused(self, postgres_tls_url: str) -> None:
        """The TLS server admits nobody without TLS."""
        plain = postgres_tls_url.partition("?")[0] + "?sslmode=disable"

        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(plain)

    async def test_crash_and_restart(self) -> None:
        """After a kill, with a query running, the same port has the same rows."""
        async with postgres_server() as server:
            await postgres_keeps(server.url)
            client = await asyncpg.connect(server.url)
            async with asyncio.TaskGroup() as tasks:
                busy = tasks.create_task(is_cut_off(client))
                await asyncio.sleep(0)
                server.kill()
                await server.restart()

            assert busy.result()
            client = await asyncpg.connect(server.url)
            assert await client.fetchval("SELECT value FROM kept") == "v"
            await client.close()
