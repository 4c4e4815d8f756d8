"""What servers of Redis say of themselves: version, memory, persistence, clock; for operators."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from libs.common.redis.commands import facts_of
from libs.common.redis.connection import RedisConnection, raise_first
from libs.common.redis.scripts import Call

_FINE = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    """
    A server as it describes itself.

    Attributes:
        name: Where it is in a cluster, ``host:port``; ``server``: there is but one.
        version: Such as ``7.0.15``.
        is_replica: Whether it follows a master.
        replicas: How many follow it.
        used: Bytes of memory that it uses.
        most: Bytes that it may use; 0: no bound.
        eviction: What it drops where these are not enough: ``noeviction`` is nothing.
        evicted: How many keys it has dropped since its start.
        appends: Whether it keeps a file of all that is written.
        snapshots: Whether it saves snapshots; None: it does not say.
        is_saved: Whether what was written to disk last was written well.
        ahead: Seconds by which its clock is ahead of ours; below 0 it is behind.
    """

    name: str
    version: str
    is_replica: bool
    replicas: int
    used: int
    most: int
    eviction: str
    evicted: int
    appends: bool
    snapshots: bool | None
    is_saved: bool
    ahead: float


async def inspected(connection: RedisConnection, keys: Sequence[str]) -> list[RedisServer]:
    """
    Ask each server that has one of these keys; they are not touched.

    Raises:
        Unavailable: One is away, or does not let this user ask; the cause says why.
    """
    servers = []
    for name, key in (await connection.spread(keys)).items():
        began = time.time()
        instant, info, saves = await connection.ask_all(
            [Call(key, ("TIME",)), Call(key, ("INFO",)), Call(key, ("CONFIG", "GET", "save"))]
        )
        raise_first([instant, info], backend="redis")
        seconds, microseconds = map(int, instant)
        ahead = seconds + microseconds / 1e6 - (began + time.time()) / 2
        servers.append(described(name, facts_of(info), saves, ahead=ahead))
    return servers


def described(name: str, info: Mapping[str, str], saves: Any, *, ahead: float) -> RedisServer:
    """
    Put together what a server says.

    Args:
        name: See `RedisServer`.
        info: Its facts; those that a server like Redis does not have are taken as usual.
        saves: The reply to ``CONFIG GET save``, or an error.
        ahead: See `RedisServer`.
    """
    writes = ("rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status")
    return RedisServer(
        name=name,
        version=info.get("redis_version", ""),
        is_replica=info.get("role") == "slave",
        replicas=int(info.get("connected_slaves", 0)),
        used=int(info.get("used_memory", 0)),
        most=int(info.get("maxmemory", 0)),
        eviction=info.get("maxmemory_policy", ""),
        evicted=int(info.get("evicted_keys", 0)),
        appends=info.get("aof_enabled") == "1",
        snapshots=_snapshots(saves),
        is_saved=all(info.get(write, _FINE) == _FINE for write in writes),
        ahead=ahead,
    )


def _snapshots(saves: Any) -> bool | None:
    """Tell whether there are times at which it saves."""
    if isinstance(saves, Exception) or len(saves) < 2:
        return None
    return bool(saves[1])
