"""Each port on Redis says that it cannot be used, and why, in the words of the server."""

import re
import shlex
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from libs.common.backends.adapters import Backends, Plan, opened
from libs.common.backends.settings import BackendSettings
from libs.common.bus.settings import HistorySettings
from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.control.commands import Command
from libs.common.errors import Unavailable
from libs.common.eventlog.kafka.settings import KafkaSettings
from libs.common.lifecycle.facts import Fact
from libs.common.lifecycle.port import BOUNDS, Lifecycle
from libs.common.postgres.settings import PostgresSettings
from libs.common.rates.port import Act
from libs.common.roster.port import JoinRequest, Members, Seat
from libs.common.typists.port import Report
from libs.common.web.health import Check, state_of
from tests.support.deadline import DEADLINE
from tests.support.deployments.program import ROOT
from tests.support.ports.buses import event
from tests.support.ports.rosters import LONG
from tests.support.servers import Server, redis_server
from tests.support.servers.ports import free_port
from tests.support.servers.process import eventually
from tests.support.servers.redis.server import connect

CHANNEL, ROOM = Channel("1", "private-company.7"), Channel("1", "presence-room")

Change = Callable[[Server], Awaitable[None]]


async def _ask(server: Server, *commands: str) -> None:
    async with connect(server.url) as client:
        for command in commands:
            await client.execute_command(*shlex.split(command))


async def _die(server: Server) -> None:
    server.kill()


async def _live(server: Server) -> None:
    await server.start()


def _commands(*commands: str) -> Change:
    async def perform(server: Server) -> None:
        await _ask(server, *commands)

    return perform


async def _fail_to_save(server: Server) -> None:
    (server.directory / "dump.rdb").mkdir()  # In the place of the file.
    await _ask(server, "CONFIG SET save '3600 1'", "SET some key", "BGSAVE")

    async def failed() -> bool:
        async with connect(server.url) as client:
            info: Mapping[str, Any] = await client.info("persistence")
        return bool(info["rdb_last_bgsave_status"] == "err")

    await eventually(failed, timeout=DEADLINE)


REPLICA = "REPLICAOF 127.0.0.1 1"  # Where no master is.
BREAKS: dict[str, tuple[Change, Change, str]] = {
    "killed": (_die, _live, "onnect"),
    "out of memory": (
        _commands("CONFIG SET maxmemory 1"),
        _commands("CONFIG SET maxmemory 0"),
        "OOM command not allowed",
    ),
    "a replica": (_commands(REPLICA), _commands("REPLICAOF NO ONE"), "READONLY You can't write"),
    "a replica that is cut off": (
        _commands("CONFIG SET replica-serve-stale-data no", REPLICA),
        _commands("REPLICAOF NO ONE"),
        "READONLY You can't write",
    ),
    "not allowed": (
        _commands("ACL SETUSER default -set -evalsha"),
        _commands("ACL SETUSER default +@all"),
        "NOPERM ",
    ),
    "not allowed within scripts": (
        _commands("ACL SETUSER default -xadd -hset -zadd -set"),
        _commands("ACL SETUSER default +@all"),
        "The user executing the script can't run this command",
    ),
    "cannot save": (
        _fail_to_save,
        _commands("CONFIG SET stop-writes-on-bgsave-error no", "CONFIG SET save ''"),
        "MISCONF ",
    ),
    "too few replicas": (
        _commands("CONFIG SET min-replicas-to-write 1"),
        _commands("CONFIG SET min-replicas-to-write 0"),
        "NOREPLICAS ",
    ),
}


@asynccontextmanager
async def on(url: str, prefix: str) -> AsyncIterator[Backends]:
    """Yield all ports on one Redis."""
    urls = BackendSettings(bus=Url(url), roster=Url(url), control=Url(url), prefix=prefix)
    plan = Plan(urls, HistorySettings(), KafkaSettings(), PostgresSettings(), [])
    async with opened(plan) as backends:
        yield backends


def checks(backends: Backends) -> dict[str, Check]:
    """Return the question of each port, by the name that operators know."""
    return {
        "bus": backends.bus.check,
        "roster": backends.roster.check,
        "leases": backends.leases.check,
        "typists": backends.typists.check,
        "rates": backends.rates.check,
        "control": backends.control.check,
    }


async def states(backends: Backends) -> dict[str, str]:
    """Ask all ports."""
    return {name: await state_of(check) for name, check in checks(backends).items()}


async def uses(backends: Backends) -> dict[str, bool]:
    """Do what each port is for, and tell where it worked."""
    (joined,) = await backends.roster.join([JoinRequest(Seat(ROOM, "1.1", "g1"), "ann", "{}")])
    command = Command("terminate", "1", "ann", time.time(), time.time() + 60)
    return {
        "bus": await _works(backends.bus.publish([event(CHANNEL, "text")]))
        and await _works(backends.bus.tops([CHANNEL])),
        "roster": isinstance(joined, Members)
        and await _works(backends.typists.report([Report(ROOM, "ann", "g1", LONG)])),
        "rates": await _works(backends.rates.take(Act("1", "publishes"), rate=10.0)),
        "control": await _works(backends.control.send(command)),
    }


async def _works(work: Awaitable[object]) -> bool:
    try:
        await work
    except Unavailable:
        return False
    return True


@pytest.mark.parametrize("name", BREAKS)
async def test_broken_and_mended(name: str, prefix: str) -> None:
    """
    Every port is away while it is, and is back by itself; each outage is one line when it begins and one when it ends.
    """
    break_it, mend, reason = BREAKS[name]
    async with redis_server() as server, on(server.url, prefix) as backends:
        await backends.leases.renew("g1", ttl=LONG)
        with capture_logs() as before:
            assert set((await states(backends)).values()) == {"ok"}
            assert all((await uses(backends)).values())
        with capture_logs() as logs:
            await break_it(server)
            for _ in range(3):
                used, broken = await uses(backends), await states(backends)
            await mend(server)
            used_again, mended = await uses(backends), await states(backends)

    assert before == []
    assert used["bus"] is False
    for backend, works in used.items():
        lines = [line["event"] for line in logs if line.get("backend") == backend]
        assert lines == ([] if works else ["backend.lost", "backend.found"]), backend
        assert (broken[backend] == "ok") is works, backend
    for said in broken.values():
        assert said == "ok" or (said.startswith("away: ") and reason in said)
    assert set(mended.values()) == {"ok"}
    assert all(used_again.values())


@pytest.mark.parametrize(
    "url,reason",
    [
        ("redis://127.0.0.1:{port}/0", "Connect call failed"),
        ("redis://no-such-host.invalid:6379/0", "no-such-host.invalid"),
        ("redis+sentinel://127.0.0.1:{port}/main/0", "main"),
        ("redis+cluster://127.0.0.1:{port}", "Connect call failed"),
    ],
)
async def test_never_reached(url: str, reason: str, prefix: str) -> None:
    """A wrong URL is told with what the way to it answered."""
    async with on(url.format(port=free_port()), prefix) as backends:
        for said in (await states(backends)).values():
            assert said.startswith("away: ")
            assert reason in said


async def test_wrong_password(prefix: str) -> None:
    """So is a password that the server does not take, which no line shows."""
    async with redis_server(user="fanfare", password="right") as server:
        url = server.url.replace("right", "wrong")
        with capture_logs() as logs:
            async with on(url, prefix) as backends:
                told = set((await states(backends)).values())

    assert all("WRONGPASS" in said for said in told)
    assert "wrong@" not in str(logs) + str(told)


async def overflow(lifecycle: Lifecycle) -> None:
    """Record more than is kept, of more subjects than are kept, read of it, and drop it all."""
    member = Fact(kind="member_added", app="1", channel="presence-a")
    for start in range(0, sum(BOUNDS) + 1_000, 500):
        users = map(str, range(start, start + 500))
        await lifecycle.record([replace(member, user=user) for user in users])
    fences = await lifecycle.take("p1", range(lifecycle.partitions), ttl=LONG)
    stream, *_ = [each for each, head in (await lifecycle.heads(fences)).items() if head > 500]
    page = await lifecycle.read(stream, "sink", limit=10)
    await lifecycle.advance(page.records[-1], "sink", fence=fences[stream.partition])
    for sinks in (["sink"], []):
        await lifecycle.settle(stream, sinks, fence=fences[stream.partition])


async def test_least_rights(prefix: str) -> None:
    """What docs/operations.md gives a user of Redis is all that is needed."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (rules,) = re.findall(r"^ACL SETUSER fanfare (.+)$", text, re.MULTILINE)
    async with redis_server() as server, connect(server.url) as operator:
        words = rules.replace("fanfare:", f"{prefix}:").replace(">SECRET", ">pass").split()
        await operator.execute_command("ACL", "SETUSER", "fanfare", *words)
        url = server.url.replace("://", "://fanfare:pass@")
        with capture_logs() as logs:
            async with on(url, prefix) as backends:
                await backends.leases.renew("g1", ttl=LONG)
                async with backends.bus.listen() as listener:
                    await listener.follow([CHANNEL])
                    used = await uses(backends)
                    async with backends.control.listen() as commands:
                        await commands.receive(0.1)
                    await backends.leases.sweep(grace=0.0)
                    told = await states(backends)
                    living = await backends.lifecycle.attend("p1", ttl=LONG)
                    fences = await backends.lifecycle.take("p1", [0], ttl=LONG)
                    await overflow(backends.lifecycle)

    assert all(used.values())
    assert set(told.values()) == {"ok"}
    assert (list(living), list(fences)) == (["p1"], [0])
    assert logs == []
