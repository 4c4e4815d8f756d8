"""
The servers behind an address: which of them has a key.

`OneServer` is a single server, or the master that sentinels know; `Cluster` asks its nodes for the
slot map and asks again when a node referred it elsewhere or failed.
"""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from redis.exceptions import ClusterDownError, ResponseError

from libs.common.outage import Outage
from libs.common.redis.address import Layout, RedisAddress
from libs.common.redis.keys import SLOTS, slot
from libs.common.redis.node import TROUBLE, Node, pool_of, pool_of_master, sentinels_of

Place = tuple[str, int]  # Host and port.


class Servers(Protocol):
    """Which server has a key."""

    async def locate(self) -> None:
        """
        Find out where the keys are, unless that is known.

        Raises:
            RedisError, OSError: No server says so.
        """

    def of(self, key: str) -> Node:
        """
        Name the server of a key, after `locate`.

        Raises:
            ClusterDownError: No server has it.
        """

    def at(self, place: Place, asked: Node) -> Node:
        """Name the server that a node referred to."""

    def doubt(self) -> None:
        """Take what is known as outdated: a node failed, or referred to another."""

    def for_subscriber(self) -> Node:
        """Name a server to subscribe at, after `locate`: each time another, if there are."""

    def masters(self) -> Mapping[str, Node]:
        """Name all servers that have keys, after `locate`, by what operators call them."""

    async def close(self) -> None:
        """Close all connections."""


class OneServer:
    """
    One server has all keys.  See `Servers`.

    Args:
        address: Of the server, or of the sentinels that name it.
        outage: Told how the server is.
    """

    def __init__(self, address: RedisAddress, outage: Outage) -> None:
        host, port = address.hosts[0]
        self._sentinels = None
        if address.layout is Layout.SENTINEL:
            self._sentinels = sentinels_of(address)
            pool, host = pool_of_master(address, self._sentinels), address.service
        else:
            pool = pool_of(address, host, port)
        self._node = Node(pool, host, outage, name="server")
        self._name = address.service or f"{host}:{port}"

    async def locate(self) -> None:
        """See `Servers.locate`."""

    def of(self, key: str) -> Node:  # noqa: ARG002 - one server has all.
        """See `Servers.of`."""
        return self._node

    def at(self, place: Place, asked: Node) -> Node:  # noqa: ARG002 - a lone server refers to none.
        """See `Servers.at`."""
        return asked

    def doubt(self) -> None:
        """See `Servers.doubt`."""

    def for_subscriber(self) -> Node:
        """See `Servers.for_subscriber`."""
        return self._node

    def masters(self) -> Mapping[str, Node]:
        """See `Servers.masters`."""
        return {self._name: self._node}

    async def close(self) -> None:
        """See `Servers.close`."""
        await self._node.close()
        if self._sentinels:
            await self._sentinels.aclose()


class Cluster:
    """
    The masters of a Redis Cluster share the slots.  See `Servers`.

    Args:
        address: Of some nodes.
        outage: Told how the nodes are.
    """

    def __init__(self, address: RedisAddress, outage: Outage) -> None:
        self._address = address
        self._outage = outage
        self._nodes: dict[Place, Node] = {}
        self._masters: list[Node | None] = []  # By slot.
        self._is_known = False
        self._asking = asyncio.Lock()
        self._turn = itertools.count()

    async def locate(self) -> None:
        """See `Servers.locate`."""
        if self._is_known:
            return
        async with self._asking:
            if not self._is_known:  # Else another call has just found out.
                await self._learn()

    async def _learn(self) -> None:
        """Ask one node after the other for the slot map; the first that answers is believed."""
        failure: Exception = ClusterDownError("no node of the cluster tells its slots")
        for place in dict.fromkeys((*self._nodes, *self._address.hosts)):
            node = self._node(place)
            try:
                (reply,) = await node.exchange([("CLUSTER", "SLOTS")])
            except TROUBLE as error:
                failure = error
                continue
            if isinstance(reply, ResponseError):
                failure = reply
                continue
            await self._adopt(reply, node)
            return
        raise failure

    async def _adopt(self, ranges: Sequence[Any], asked: Node) -> None:
        masters: list[Node | None] = [None] * SLOTS
        listed: set[Node] = set()
        for first, last, *replicas in ranges:
            nodes = [self.at(_place(entry), asked) for entry in replicas]
            masters[first : last + 1] = nodes[:1] * (last + 1 - first)
            listed.update(nodes)
        self._masters, self._is_known = masters, True
        for place, node in list(self._nodes.items()):
            if node not in listed:
                del self._nodes[place]
                node.leave()
                await node.close()

    def of(self, key: str) -> Node:
        """See `Servers.of`."""
        node = self._masters[slot(key)]
        if node is None:
            self.doubt()
            raise ClusterDownError("no node has the key's slot")
        return node

    def at(self, place: Place, asked: Node) -> Node:
        """See `Servers.at`."""
        host, port = place
        return self._node((host or asked.host, port))

    def _node(self, place: Place) -> Node:
        if place not in self._nodes:
            host, port = place
            pool = pool_of(self._address, host, port)
            self._nodes[place] = Node(pool, host, self._outage, name=f"{host}:{port}")
        return self._nodes[place]

    def doubt(self) -> None:
        """See `Servers.doubt`."""
        self._is_known = False

    def for_subscriber(self) -> Node:
        """See `Servers.for_subscriber`."""
        masters = list(dict.fromkeys(node for node in self._masters if node))
        return masters[next(self._turn) % len(masters)]

    def masters(self) -> Mapping[str, Node]:
        """See `Servers.masters`."""
        masters = {node for node in self._masters if node}
        return {f"{h}:{p}": node for (h, p), node in self._nodes.items() if node in masters}

    async def close(self) -> None:
        """See `Servers.close`."""
        for node in self._nodes.values():
            await node.close()


def _place(entry: Sequence[Any]) -> Place:
    """Read host and port of a node; no host stands for the host of who told it."""
    host = (entry[0] or b"").decode()
    return ("" if host == "?" else host, entry[1])
