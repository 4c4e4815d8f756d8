"""What servers of Redis say of themselves, in numbers."""

import asyncio

import pytest

from libs.common.backends import metrics
from libs.common.backends.metrics import BackendMetrics
from libs.common.redis.connection import RedisConnection

MASTER = {"used_memory": "7", "maxmemory": "0", "evicted_keys": "1", "master_repl_offset": "100"}


class Saying:
    """A connection to servers that say what they are given."""

    def __init__(self, **figures: dict[str, str]) -> None:
        self._figures = figures

    async def figures(self) -> dict[str, dict[str, str]]:
        return self._figures


async def told(figures: dict[str, str]) -> dict[str, dict[tuple[str, ...], object]]:
    """Ask one server, and return what is known of it."""
    measured = BackendMetrics()
    connection: RedisConnection = Saying(here=figures)  # type: ignore[assignment]
    measured.watch_redis(connection, "here")
    measured.watch_redis(connection, "here")
    await measured._ask()
    return {
        each.family.name: dict(each.values)
        for each in measured.metrics()
        if "redis" in each.family.name
    }


async def test_said() -> None:
    assert await told(MASTER) == {
        "fanfare_redis_memory_used_bytes": {("here",): 7},
        "fanfare_redis_memory_max_bytes": {("here",): 0},
        "fanfare_redis_evicted_keys_total": {("here",): 1},
        "fanfare_redis_replication_lag_bytes": {},
        "fanfare_redis_unreadable_total": {},
    }


@pytest.fixture(autouse=True)
def _nothing_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else ran in this process has passed over nothing."""
    monkeypatch.setattr(metrics, "passed_over", dict)
    monkeypatch.setattr(metrics, "KINDS", ())


class Hanging:
    """A connection to servers that never answer."""

    async def figures(self) -> dict[str, dict[str, str]]:
        await asyncio.Event().wait()
        raise AssertionError


async def test_one_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer hides no other."""
    monkeypatch.setattr(metrics, "PATIENCE", 0.01)
    measured = BackendMetrics()
    for number, each in enumerate((Hanging(), Saying(here=MASTER), Hanging())):
        connection: RedisConnection = each  # type: ignore[assignment]
        measured.watch_redis(connection, number)

    await measured._ask()

    (memory,) = [each for each in measured.metrics() if each.family == metrics.REDIS_MEMORY]
    assert dict(memory.values) == {("here",): 7}


@pytest.mark.parametrize("offsets,lag", [((100,), 0), ((90, 40), 60), ((120,), 0)])
async def test_replicas(offsets: tuple[int, ...], lag: int) -> None:
    """
    The slowest counts; one that was heard of later than the master's own offset is not ahead of it.
    """
    replicas = {
        f"slave{number}": f"ip=10.0.0.{number},port=6379,state=online,offset={offset},lag=1"
        for number, offset in enumerate(offsets)
    }

    values = await told(MASTER | replicas)

    assert values["fanfare_redis_replication_lag_bytes"] == {("here",): lag}


async def test_others() -> None:
    """
    What a server like Redis does not say is missing.
    """
    values = await told({"redis_version": "7.0.0", "slave_repl_offset": "7"})

    assert set(map(len, values.values())) == {0}


async def test_nothing() -> None:
    """
    Without backends there is nobody to ask.
    """
    measured = BackendMetrics()

    await measured.run()

    assert not any(each.values for each in measured.metrics())
