"""Slots of a `RedisCluster`: which node has one at the start, and how one moves."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support.servers.process import Server
from tests.support.servers.redis.server import connect


@dataclass(frozen=True, slots=True)
class Move:
    """A slot on its way from the node that owns it to another one."""

    slot: int
    source: Server
    target: Server

    async def begin(self) -> None:
        """Let the target import the slot."""
        source, target = [await _id(node) for node in (self.source, self.target)]
        await tell(self.target, "CLUSTER", "SETSLOT", self.slot, "IMPORTING", source)
        await tell(self.source, "CLUSTER", "SETSLOT", self.slot, "MIGRATING", target)

    async def carry(self, *keys: str) -> None:
        """Move keys."""
        place = urlsplit(self.target.url)
        await tell(self.source, "MIGRATE", place.hostname, place.port, "", 0, 5000, "KEYS", *keys)

    async def finish(self) -> None:
        """Make the target the owner."""
        target = await _id(self.target)
        for node in (self.target, self.source):
            await tell(node, "CLUSTER", "SETSLOT", self.slot, "NODE", target)


async def tell(node: Server, *words: Any) -> Any:
    """Send a node one command."""
    async with connect(node.url) as client:
        return await client.execute_command(*words)


async def _id(node: Server) -> str:
    return str(await tell(node, "CLUSTER", "MYID"))


def owner_index(number: int) -> int:
    """Tell which node has a slot at the start."""
    return number * 3 // 16_384
