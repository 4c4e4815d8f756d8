"""
The program under attack: members stay, who is watched is answered, memory and the log stay small.

On how many frames it works meanwhile, tests/service/gateway/intake tells, which sees its own count.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.gateway.memory.limit import memory_limit
from tests.support.clients import pusher
from tests.support.clients.attackers import attackers, callers, flooding, greeted
from tests.support.clients.back_ends import BackEnd
from tests.support.clients.raw_client import PING, PONG, REQUEST, Frame, RawClient, masked
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, Plain, said
from tests.support.deployments.program import FANFARE, Program, Release, program

PATH = f"/app/{APP.key}?protocol=7"
ROOM = "presence-room"
UPGRADE = REQUEST.format(path=PATH, headers="").encode()
MIB = 1 << 20
SOFT = 8 * MIB  # What may be kept for clients.
SPARE = 56 * MIB  # By how much the process may grow beside that: connections, events of the bus.
SIZE = 256 * 1024  # Bytes that each socket of a flood sends at once.
FILES = 400
LINES = 100


def much(frame: bytes) -> bytes:
    return frame * (SIZE // len(frame))


FLOODS = {
    "no frames": b"{" * SIZE,
    "no JSON": much(masked(b"{")),
    "empty texts": much(masked(b"")),
    "pings": much(masked(b"", PING)),
}


@dataclass(slots=True)
class Siege:
    """A program with two members of a channel, and a client that is watched."""

    program: Program
    http: aiohttp.ClientSession
    ann: Visitor
    bob: Visitor
    watched: RawClient
    usual: int

    async def number(self, name: str) -> float:
        """Ask for a metric, the sum of all its samples."""
        async with self.http.get(f"{self.program.internal_url}/metrics") as response:
            assert response.status == 200
            text = await response.text()
        families = {each.name: each for each in text_string_to_metric_families(text)}
        return sum(sample.value for sample in families[name].samples)

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
async def besieged(directory: Path, *, files: int = 0, **variables: str) -> AsyncIterator[Siege]:
    """Run all services on memory, with so many files; see that all is well in the end."""
    fleet = Plain(directory)
    share = str(SOFT / memory_limit())
    bounds = {"FANFARE_GATEWAY_MEMORY_SOFT": share, "FANFARE_GATEWAY_MEMORY_HARD": str(0.9)}
    limited = ("prlimit", f"--nofile={files}:{files}") if files else ()
    async with (
        program(
            config=fleet.write_settings(),
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


class TestBrokenOff:
    """A thousand sockets that are reset."""

    @pytest.mark.parametrize("sent", [b"", UPGRADE[:60], UPGRADE], ids=["none", "half", "upgrade"])
    async def test_head(self, tmp_path: Path, sent: bytes) -> None:
        """
        With nothing, half a request or a whole one sent: nobody is told of it.
        """
        async with besieged(tmp_path) as siege:
            for _ in range(10):
                async with callers(siege.program.port, 100) as clients:
                    for client in clients:
                        await client.write(sent)
                        client.reset()
                await siege.ping()

            await siege.until("fanfare_connections", 3, 3)

    async def test_greeted(self, tmp_path: Path) -> None:
        """
        Nor of those who were served.
        """
        async with besieged(tmp_path) as siege:
            for _ in range(10):
                async with attackers(siege.program.port, PATH, 100) as clients:
                    for client in clients:
                        client.reset()
                await siege.ping()

            await siege.until("fanfare_connections", 3, 3)


class TestSlow:
    """Who says too little."""

    async def test_heads(self, tmp_path: Path) -> None:
        """
        A request that comes byte by byte is refused when its time is over, however it goes on.
        """
        async with (
            besieged(tmp_path, FANFARE_SERVER_HANDSHAKE_TIMEOUT="1") as siege,
            callers(siege.program.port, 200) as clients,
        ):
            await flooding(clients, UPGRADE[:40])
            dripping = asyncio.ensure_future(drip(clients, UPGRADE[40:-1]))
            try:
                answers = await asyncio.gather(*(client.rest() for client in clients))
                await siege.ping()
            finally:
                dripping.cancel()

            assert {answer.split()[1] for answer in answers} == {b"408"}

    async def test_fragments(self, tmp_path: Path) -> None:
        """
        A message that is never finished ends its connection; what is kept of all of them is bounded.
        """
        begun = masked(b"x" * 60_000, final=False)
        async with (
            besieged(tmp_path, FANFARE_SERVER_MESSAGE_TIMEOUT="1") as siege,
            attackers(siege.program.port, PATH, 300) as clients,
        ):
            await flooding(clients, begun)

            await siege.until("fanfare_connections", 3, 3)


async def drip(clients: Sequence[RawClient], data: bytes) -> None:
    """Send a byte now and then, for as long as anybody listens."""
    for byte in data:
        await asyncio.sleep(0.1)
        await flooding(clients, bytes([byte]))


class TestDescriptors:
    """More sockets than descriptors."""

    async def test_paused(self, tmp_path: Path) -> None:
        """
        Who is there is served, operators too, in one line it is said, and newcomers come when there is room.
        """
        async with (
            besieged(tmp_path, files=FILES) as siege,
            callers(siege.program.port, 2 * FILES),
            aiohttp.ClientSession() as probe,
        ):
            await siege.program.wait_until("paused", lambda: paused(siege.program))
            for _ in range(20):
                await siege.ping()
            async with probe.get(f"{siege.program.internal_url}/health/live") as response:
                assert response.status == 200

        assert len(said(siege.program, "accept.paused")) == 1


async def paused(process: Program) -> bool:
    return bool(said(process, "accept.paused"))


class TestFloods:
    """Many who send very much at once, and read nothing."""

    @pytest.mark.parametrize("kind", FLOODS)
    async def test_others(self, tmp_path: Path, kind: str) -> None:
        """
        The others are answered meanwhile; after how few frames, the gateway's own tests say.
        """
        async with (
            besieged(tmp_path) as siege,
            attackers(siege.program.port, PATH, 100) as clients,
        ):
            flood = asyncio.ensure_future(flooding(clients, FLOODS[kind]))
            try:
                for _ in range(20):
                    await siege.ping()
            finally:
                flood.cancel()


class TestUnread:
    """Many who subscribe, and read nothing."""

    async def test_fan_out(self, tmp_path: Path, backend: BackEnd) -> None:
        """
        They go when too much waits for them, and who reads gets everything.
        """
        many, rounds, together = 40, 50, 10
        async with (
            besieged(tmp_path, FANFARE_GATEWAY_MAX_UNSENT_UNKNOWN=str(MIB)) as siege,
            attackers(siege.program.port, PATH, many) as clients,
        ):
            for client in clients:
                await client.send(pusher.subscribe("news"))
            await siege.ann.say(pusher.subscribe("news"))
            await siege.ann.until_in("news")
            event = {"name": "step", "channel": "news", "data": "x" * 10_000}
            batch = json.dumps({"batch": [event] * together}).encode()
            for _ in range(rounds):
                path = f"/apps/{APP.id}/batch_events"
                assert (await backend.post(siege.program.url, path, batch)).status == 200
                await siege.ping()

            await siege.ann.until_number("news", rounds * together)
            await siege.until("fanfare_connections", 3, many + 2)
            assert said(siege.program, "memory.shed")
