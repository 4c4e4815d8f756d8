"""deploy/redis: that Redis takes the files, and that Fanfare works with what they say and finds nothing to mend."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.redis.connection import RedisConnection
from libs.common.redis.inspection import inspected
from services.cli.checking.remarks import of_redis
from tests.support.deployments.program import ROOT
from tests.support.ports.buses import event, processes
from tests.support.servers import Server
from tests.support.servers.ports import free_port
from tests.support.servers.process import running
from tests.support.servers.redis.server import configured, connect

FILES = ROOT / "deploy" / "redis"
ALONE, REPLICATED = "redis.conf", "replicated.conf"
BOTH = "re*.conf"  # Redis includes them in the order of their names.
UNITS = {"mb": 2**20, "gb": 2**30}
CHANNEL = Channel("1", "orders")


@asynccontextmanager
async def server(files: str) -> AsyncIterator[Server]:
    """Run a server with files of ours, and with what they leave to others."""
    port = free_port()
    settings = {"include": str(FILES / files), "port": str(port)}
    async with running(configured("redis", settings, url=f"redis://127.0.0.1:{port}/0")) as redis:
        yield redis


def directives(name: str) -> dict[str, str]:
    """Read a file of ours."""
    lines = (FILES / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))


def shown(words: str) -> str:
    """Return a value as Redis shows it: without quotation marks, and in bytes."""
    return " ".join(_in_bytes(word) for word in words.replace('"', "").split())


def _in_bytes(word: str) -> str:
    number, unit = word[:-2], word[-2:]
    return str(int(number) * UNITS[unit]) if unit in UNITS else word


async def test_nothing_to_mend(prefix: str) -> None:
    """`fanfare check` has no remark."""
    async with server(ALONE) as redis, RedisConnection(Url(redis.url), "bus") as connection:
        assert list(of_redis(await inspected(connection, [prefix]))) == []


async def test_survives(prefix: str) -> None:
    """What it has confirmed it has again after it was killed."""
    async with server(ALONE) as redis:
        async with processes(redis.url, prefix, count=1) as (bus,):
            await bus.publish([event(CHANNEL, "text")])
            before = await bus.tops([CHANNEL])
        redis.kill()
        await redis.start()
        async with processes(redis.url, prefix, count=1) as (bus,):
            after = await bus.tops([CHANNEL])

    assert before[CHANNEL].offset == 1
    assert after == before


async def test_without_replicas(prefix: str) -> None:
    """A master whose replicas are away confirms nothing that they would not have."""
    async with server(BOTH) as redis, processes(redis.url, prefix, count=1) as (bus,):
        with pytest.raises(Unavailable) as caught:
            await bus.publish([event(CHANNEL, "text")])

    assert "NOREPLICAS" in str(caught.value.__cause__)


@pytest.mark.parametrize("name", [ALONE, REPLICATED])
async def test_in_force(name: str) -> None:
    """Redis knows each directive, and the other file says nothing else."""
    async with server(BOTH) as redis, connect(redis.url) as client:
        for key, value in directives(name).items():
            said = (await client.config_get(key))[key]
            assert shown(value) in str(said), key
