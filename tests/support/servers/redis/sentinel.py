"""A Redis master with a replica, watched by Sentinels which promote the replica when it is needed."""

import functools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support.deadline import DEADLINE
from tests.support.servers.ports import free_port
from tests.support.servers.process import Server, eventually, running
from tests.support.servers.redis.server import configured, visit

SERVICE = "fanfare"
FAILOVER_TIMEOUT = 5.0  # Seconds until Sentinels try a failover that did not succeed again.


@dataclass(frozen=True, slots=True)
class RedisSentinel:
    """
    A running master, its replica and who watches them.

    Attributes:
        url: ``redis+sentinel://`` with all Sentinels, the service and database 0.
        master: The server that began as master.
        replica: The server that began as its replica.
        sentinels: The watchers.
    """

    url: str
    master: Server
    replica: Server
    sentinels: tuple[Server, ...]

    async def wait_until_ready(self) -> None:
        """
        Wait until the Sentinels know each other and a replica that can be promoted.

        Raises:
            TimeoutError: They do not in time.
        """
        others = len(self.sentinels) - 1
        for sentinel in self.sentinels:
            knows = functools.partial(_knows, sentinel, others)
            await eventually(knows, timeout=DEADLINE)


@asynccontextmanager
async def redis_sentinel(
    *, sentinels: int = 1, down_after: float = 3.0
) -> AsyncIterator[RedisSentinel]:
    """
    Run a master, a replica and Sentinels.

    Args:
        sentinels: How many; more than half of them must agree.
        down_after: Seconds of silence after which a Sentinel takes the master for dead.
    """
    async with AsyncExitStack() as stack:
        master = await stack.enter_async_context(_member(None))
        replica = await stack.enter_async_context(_member(master))
        await eventually(functools.partial(_is_in_step, replica), timeout=DEADLINE)
        settings = _watching(master, quorum=sentinels // 2 + 1, down_after=down_after)
        watchers = [await stack.enter_async_context(_sentinel(settings)) for _ in range(sentinels)]
        found = RedisSentinel(_url(watchers), master, replica, tuple(watchers))
        await found.wait_until_ready()
        yield found


@asynccontextmanager
async def _member(master: Server | None) -> AsyncIterator[Server]:
    port = free_port()
    # Without a delay for further replicas, and by a file, the first copy is made at once.
    settings = {"port": str(port), "repl-diskless-sync": "no", "appendonly": "yes"}
    settings["appendfsync"] = "no"
    if master is not None:
        settings["replicaof"] = f"127.0.0.1 {urlsplit(master.url).port}"
    launch = configured("redis-member", settings, url=f"redis://127.0.0.1:{port}/0")
    async with running(launch) as server:
        yield server


@asynccontextmanager
async def _sentinel(watching: dict[str, str]) -> AsyncIterator[Server]:
    port = free_port()
    settings = {"port": str(port), **watching}
    url = f"redis://127.0.0.1:{port}"
    launch = configured("redis-sentinel", settings, url=url, role="--sentinel")
    async with running(launch) as server:
        yield server


def _watching(master: Server, *, quorum: int, down_after: float) -> dict[str, str]:
    port = urlsplit(master.url).port
    return {
        f"sentinel monitor {SERVICE}": f"127.0.0.1 {port} {quorum}",
        f"sentinel down-after-milliseconds {SERVICE}": str(round(down_after * 1000)),
        f"sentinel failover-timeout {SERVICE}": str(round(FAILOVER_TIMEOUT * 1000)),
    }


def _url(sentinels: Sequence[Server]) -> str:
    hosts = ",".join(urlsplit(sentinel.url).netloc for sentinel in sentinels)
    return f"redis+sentinel://{hosts}/{SERVICE}/0"


async def _is_in_step(replica: Server) -> bool:
    async with visit(replica.url) as client:
        state = await client.info("replication")
    return bool(state["master_link_status"] == "up")


async def _knows(sentinel: Server, others: int) -> bool:
    async with visit(sentinel.url) as client:
        masters: Any = await client.sentinel_masters()
    seen = masters[SERVICE]
    return bool(
        seen["num-slaves"] >= 1
        and seen["num-other-sentinels"] >= others
        and "down" not in seen["flags"]
    )
