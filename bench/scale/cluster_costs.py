"""
What pub/sub costs the nodes of a Redis Cluster: PUBLISH beside SPUBLISH, on real clusters.

Messages are published at one node, in a channel whose slot it has, and nobody follows: what is left
is the cluster's own work.  PUBLISH goes to every node of the cluster, SPUBLISH to the node that has
the slot, and its replicas.
"""

from collections.abc import Mapping
from statistics import median
from typing import Any

from bench.fanout import DATA
from bench.scale.constants import ClusterCosts, ClusterTrial
from bench.scale.costs import solved
from bench.workers import cpu_seconds
from libs.common.redis.keys import SLOTS, slot
from tests.support.servers import RedisCluster, redis_cluster
from tests.support.servers.redis.server import connect

SIZES = (1, 2, 3, 4)  # Nodes.
FITTED = (1, 2)  # From which the costs are taken; the others show whether they hold.
TOGETHER = (1, 16)  # Messages of one pipeline.
TURNS = 150  # Pipelines of a round.
WARM_UP = 20
MESSAGE = f'e1 0123abcd0 1\n{{"at":1700000000.0,"v":1}}{DATA}'.encode()

# CPU seconds of the node that publishes, and of another one: by messages and by nodes.
Found = dict[tuple[int, int], tuple[float, float]]


async def measure(*, rounds: int) -> tuple[ClusterCosts, tuple[ClusterTrial, ...]]:
    """Measure clusters of all sizes, with both kinds of pub/sub in turn."""
    found: dict[str, Found] = {"PUBLISH": {}, "SPUBLISH": {}}
    for nodes in SIZES:
        async with redis_cluster(nodes) as cluster:
            for together in TOGETHER:
                both = await _both(cluster, together, rounds)
                for command, cost in both.items():
                    found[command][together, nodes] = cost
    classic, sharded = found["PUBLISH"], found["SPUBLISH"]
    costs = ClusterCosts(
        classic=solved(_publishing(classic)),
        passed_on=solved(_others(classic)),
        sharded=solved(_publishing(sharded)),
        silent=solved(_others(sharded)),
    )
    return costs, tuple(
        ClusterTrial(
            nodes=nodes,
            together=together,
            classic=_whole(classic[together, nodes], nodes) / together,
            sharded=_whole(sharded[together, nodes], nodes) / together,
        )
        for nodes in SIZES
        for together in TOGETHER
    )


async def _both(
    cluster: RedisCluster, together: int, rounds: int
) -> Mapping[str, tuple[float, float]]:
    """Measure both commands in turn, so that what disturbs one disturbs the other."""
    first, *others = [node.pid for node in cluster.nodes]
    spent: dict[str, list[tuple[float, float]]] = {"PUBLISH": [], "SPUBLISH": []}
    async with connect(cluster.nodes[0].url) as client:
        for command in spent:
            await _publish(client, command, together, WARM_UP)
        for _ in range(rounds):
            for command, costs in spent.items():
                before = [cpu_seconds(pid) for pid in (first, *others)]
                await _publish(client, command, together, TURNS)
                own, *rest = (
                    (cpu_seconds(pid) - then) / TURNS
                    for pid, then in zip((first, *others), before, strict=True)
                )
                costs.append((own, sum(rest) / len(rest) if rest else 0.0))
    return {
        command: (median(own for own, _ in costs), median(other for _, other in costs))
        for command, costs in spent.items()
    }


async def _publish(client: Any, command: str, together: int, turns: int) -> None:
    for _ in range(turns):
        async with client.pipeline(transaction=False) as pipeline:
            for _ in range(together):
                pipeline.execute_command(command, _FEED, MESSAGE)
            await pipeline.execute()


def _publishing(found: Found) -> dict[tuple[int, int], float]:
    """Name other nodes readers: there are none where the node is alone."""
    return {
        (together, nodes - 1): own
        for (together, nodes), (own, _) in found.items()
        if nodes in FITTED
    }


def _others(found: Found) -> dict[tuple[int, int], float]:
    """Take what another node spends of any number of messages; none is a reader here."""
    many = FITTED[-1]
    costs = {together: other for (together, nodes), (_, other) in found.items() if nodes == many}
    return {(together, readers): cost for together, cost in costs.items() for readers in (0, 1)}


def _whole(cost: tuple[float, float], nodes: int) -> float:
    own, other = cost
    return own + other * (nodes - 1)


def _feed() -> str:
    """Name a channel in a slot that the first node has in every cluster measured here."""
    names = (f"feed-{number}" for number in range(1000))
    return next(name for name in names if slot(name) < SLOTS // max(SIZES))


_FEED = _feed()
