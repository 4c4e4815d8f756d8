"""The program under attack, with members and a client that is watched: what must hold all the while, and in the end."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from services.gateway.memory.limit import memory_limit
from tests.support.clients.attackers import greeted
from tests.support.clients.raw_client import PING, PONG, Frame, RawClient
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, Plain, said
from tests.support.deployments.program import FANFARE, Program, Release, program

PATH = f"/app/{APP.key}?protocol=7"
ROOM = "presence-room"
MIB = 1 << 20
SOFT = 8 * MIB  # What may be kept for clients.
SPARE = 56 * MIB  # By how much the process may grow beside that: connections, events of the bus.
LINES = 100


@dataclass(slots=True)
class Siege:
    """A program with two members of a channel, and a client that is watched."""

    program: Program
    http: aiohttp.ClientSession
    ann: Visitor
    bob: Visitor
    watched: RawClient
    usual: int

    async def number(self, name: str, **labels: str) -> float:
        """Ask for a metric, the sum of all its samples with these labels."""
        samples = await self.samples(name)
        return sum(each.value for each in samples if labels.items() <= each.labels.items())

    async def samples(self, name: str) -> list[Sample]:
        """Ask for all samples of a metric."""
        async with self.http.get(f"{self.program.internal_url}/metrics") as response:
            assert response.status == 200
            text = await response.text()
        families = {each.name: each for each in text_string_to_metric_families(text)}
        return list(families[name].samples)

    async def until(self, name: str, least: float, most: float) -> None:
        """Wait until a metric is in bounds; the watched client is answered all the while."""

        async def holds() -> bool:
            await self.ping()
            return least <= await self.number(name) <= most

        await self.program.wait_until(name, holds)

    async def ping(self) -> None:
        """See that the watched client is answered."""
        mark = secrets.token_hex(4).encode()
        await self.watched.send(mark, PING)
        assert await self.watched.frame() == Frame(PONG, mark)

    @property
    def grown(self) -> int:
        """By how many bytes it was larger than before, when it was largest."""
        return memory(self.program, "VmHWM") - self.usual

    async def over(self, visitor: Visitor) -> None:
        """See that all is as it was: newcomers are let in, and nobody has gone, or was said to have."""
        await visitor.connect(self.program.url)
        await visitor.join(ROOM, user="dan")
        await self.ann.until_members(ROOM, "ann", "bob", "dan")
        await self.ping()
        assert self.ann.changes(ROOM) == ["+bob", "+dan"]
        assert self.bob.is_open
        assert self.grown <= SOFT + SPARE
        assert await self.program.stop() == 0
        lines = said(self.program)
        assert len(lines) < LINES
        assert [line for line in lines if line["level"] == "error" or "exception" in line] == []
        assert said(self.program, "lease.lost") == []


def memory(process: Program, name: str) -> int:
    """Tell how many bytes a process occupies, ``VmRSS``, or has at most, ``VmHWM`` (proc(5))."""
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    (line,) = (each for each in status.splitlines() if each.startswith(name))
    return int(line.split()[1]) * 1024


@asynccontextmanager
async def besieged(
    directory: Path, *, files: int = 0, rules: str = "", redis: str = "", **variables: str
) -> AsyncIterator[Siege]:
    """
    Run all services, with two members and a client that is watched; see that all is well in the end.

    Args:
        directory: For settings and log.
        files: How many descriptors the process may have; 0: as many as usual.
        rules: TOML that comes after the app's.
        redis: The URL of bus and roster; empty: all is on memory.
        variables: Over the others.
    """
    fleet = Plain(directory, redis=redis)
    config = fleet.write_settings()
    config.write_text(config.read_text() + rules)
    share = str(SOFT / memory_limit())
    bounds = {"FANFARE_GATEWAY_MEMORY_SOFT": share, "FANFARE_GATEWAY_MEMORY_HARD": str(0.9)}
    limited = ("prlimit", f"--nofile={files}:{files}") if files else ()
    async with (
        program(
            config=config,
            log=directory / "log",
            environ=fleet.environ | bounds | variables,
            release=Release(command=(*limited, *FANFARE)),
        ) as running,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DEADLINE)) as http,
        visitors(APP) as visitor,
    ):
        ann, bob = visitor(), visitor()
        for guest, name in ((ann, "ann"), (bob, "bob")):
            await guest.connect(running.url)
            await guest.join(ROOM, user=name)
        watched = await greeted(running.port, PATH)
        siege = Siege(running, http, ann, bob, watched, memory(running, "VmRSS"))
        yield siege
        await siege.over(visitor())
        watched.close()
