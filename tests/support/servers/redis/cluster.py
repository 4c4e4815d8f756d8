"""A Redis Cluster of masters: plain ``redis-server`` processes, introduced by redis-py."""

import functools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from redis.exceptions import ResponseError

from tests.support.deadline import DEADLINE
from tests.support.servers.ports import free_port
from tests.support.servers.process import Server, eventually, running
from tests.support.servers.redis.server import configured, connect, visit

MASTERS = 3
SLOTS = 16_384
NODE_TIMEOUT = 2.0  # Seconds until the others call a silent node failed.


@dataclass(frozen=True, slots=True)
class RedisCluster:
    """
    A running cluster.

    Attributes:
        url: ``redis+cluster://`` with all nodes.
        nodes: The masters; the first owns the lowest slots.
        replica: Of the first, if there is one.
    """

    url: str
    nodes: tuple[Server, ...]
    replica: Server | None = None

    async def wait_until_ready(self) -> None:
        """
        Wait until every node sees every slot served, as after `Server.restart` of one.

        Raises:
            TimeoutError: They do not agree in time.
        """
        members = len(self.nodes) + (self.replica is not None)
        for node in self.nodes:
            await eventually(functools.partial(_sees_all, node, members), timeout=DEADLINE)


@asynccontextmanager
async def redis_cluster(
    masters: int = MASTERS, *, replica: bool = False
) -> AsyncIterator[RedisCluster]:
    """
    Run a cluster of masters; each has its data again after a restart.

    Args:
        masters: How many.
        replica: Whether the first has one, which takes its place when it dies.
    """
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(_node()) for _ in range(masters)]
        for index, node in enumerate(nodes):
            await _assign(node, index, masters)
        await _introduce(nodes)
        hosts = ",".join(urlsplit(node.url).netloc for node in nodes)
        cluster = RedisCluster(f"redis+cluster://{hosts}", tuple(nodes))
        await cluster.wait_until_ready()
        if replica:
            cluster = replace(cluster, replica=await stack.enter_async_context(_node()))
            await _follow(cluster)
        yield cluster


@asynccontextmanager
async def _node() -> AsyncIterator[Server]:
    port = free_port()
    settings = {
        "port": str(port),
        "cluster-enabled": "yes",
        "cluster-port": str(free_port()),
        "cluster-announce-ip": "127.0.0.1",
        "cluster-node-timeout": str(round(NODE_TIMEOUT * 1000)),
        "repl-diskless-sync": "no",  # With it a replica waits for further ones before it gets a copy.
        "appendonly": "yes",
        "appendfsync": "no",
    }
    launch = configured("redis-node", settings, url=f"redis://127.0.0.1:{port}/0")
    async with running(launch) as server:
        yield server


async def _assign(node: Server, index: int, masters: int) -> None:
    """Give a node its share of the slots, and an epoch of its own, so that none is contested."""
    first, last = SLOTS * index // masters, SLOTS * (index + 1) // masters - 1
    async with connect(node.url) as client:
        await client.cluster("SET-CONFIG-EPOCH", index + 1)
        await client.cluster("ADDSLOTSRANGE", first, last)


async def _introduce(nodes: Sequence[Server]) -> None:
    """Let the first node meet the others, which learn of each other from it."""
    async with connect(nodes[0].url) as client:
        for node in nodes[1:]:
            async with connect(node.url) as peer:
                bus = await peer.config_get("cluster-port")
            port = urlsplit(node.url).port
            await client.cluster("MEET", "127.0.0.1", port, bus["cluster-port"])


async def _follow(cluster: RedisCluster) -> None:
    """Make the replica one of the first node, and wait until it has a copy."""
    replica, (first, *_) = cluster.replica, cluster.nodes
    assert replica is not None
    await _introduce([first, replica])
    await cluster.wait_until_ready()
    async with connect(first.url) as client:
        master = await client.cluster("MYID")

    async def is_told() -> bool:
        async with visit(replica.url) as client:
            with suppress(ResponseError):  # It does not know the master yet.
                return bool(await client.cluster("REPLICATE", master))
        return False

    async def is_in_step() -> bool:
        async with visit(replica.url) as client:
            state = await client.info("replication")
        return bool(state["master_link_status"] == "up")

    await eventually(is_told, timeout=DEADLINE)
    await eventually(is_in_step, timeout=DEADLINE)


async def _sees_all(node: Server, members: int) -> bool:
    async with visit(node.url) as client:
        seen = await client.cluster("INFO")
    return (
        seen["cluster_state"] == "ok"
        and int(seen["cluster_known_nodes"]) == members
        and int(seen["cluster_slots_ok"]) == SLOTS
    )
