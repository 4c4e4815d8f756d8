"""
The program under attack: members stay, who is watched is answered, memory and the log stay small.

On how many frames it works meanwhile, tests/service/gateway/intake tells, which sees its own count.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest

from tests.support.clients import pusher
from tests.support.clients.attackers import attackers, callers, flooding
from tests.support.clients.back_ends import BackEnd
from tests.support.clients.raw_client import PING, REQUEST, RawClient, masked
from tests.support.deployments.fleet import APP, said
from tests.support.deployments.program import Program
from tests.support.deployments.siege import MIB, PATH, besieged

UPGRADE = REQUEST.format(path=PATH, headers="").encode()
SIZE = 256 * 1024  # Bytes that each socket of a flood sends at once.
FILES = 400


def much(frame: bytes) -> bytes:
    return frame * (SIZE // len(frame))


FLOODS = {
    "no frames": b"{" * SIZE,
    "no JSON": much(masked(b"{")),
    "empty texts": much(masked(b"")),
    "pings": much(masked(b"", PING)),
}


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
