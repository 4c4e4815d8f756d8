"""
Clients that send too much, too long, or read too little: the others do not wait for them.

What others wait is judged by how many frames the gateway works on meanwhile, by its own count.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from msgspec import structs

from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from services.gateway.intake.turns import SLICE, TURN
from tests.support.clients.client import SUCCEEDED, Client
from tests.support.clients.pusher import read
from tests.support.clients.raw_client import CLOSE, PING, PONG, TEXT, Frame, RawClient, masked
from tests.support.services.gateway import APP, QUICK, Place, place, until

PATH = "/app/app-key?protocol=7"
ROOM = "presence-room"
MANY = 200  # Sockets of an attack.
SIZE = 256 * 1024  # Bytes that each of them sends at once.
# In so many turns of the loop a ping comes, is answered, and its answer is read.
TURNS = 3


def much(frame: bytes) -> bytes:
    return frame * (SIZE // len(frame))


FLOODS = {
    "no frames": b"{" * SIZE,
    "no JSON": much(masked(b"{")),
    "empty texts": much(masked(b"")),
    "pings": much(masked(b"", PING)),
    "fragments": masked(b"", final=False) + much(masked(b"", 0, final=False)),
    "large texts": much(masked(b'{"event":"client-x","data":"' + b"[" * 60_000 + b'"}')),
}


async def flooding(client: RawClient, data: bytes) -> None:
    """Send it all, or what can be sent until the connection ends."""
    with suppress(OSError):
        await client.write(data)


class Attack:
    """Clients that send as much as they can, and read nothing."""

    def __init__(self, here: Place, tasks: asyncio.TaskGroup) -> None:
        self._here = here
        self._tasks = tasks
        self._writing: list[asyncio.Task[None]] = []
        self.clients: list[RawClient] = []

    async def begin(self, data: bytes, *, many: int) -> None:
        """Connect, and then send all at the same moment."""
        for _ in range(many):
            self.clients.append(await RawClient.connect(self._here.port, PATH))
        for client in self.clients:
            self._writing.append(self._tasks.create_task(flooding(client, data)))

    def end(self) -> None:
        for task in self._writing:
            task.cancel()
        for client in self.clients:
            client.close()


@asynccontextmanager
async def attacked(here: Place, data: bytes, *, many: int) -> AsyncIterator[Attack]:
    async with asyncio.TaskGroup() as tasks:
        attack = Attack(here, tasks)
        await attack.begin(data, many=many)
        try:
            yield attack
        finally:
            attack.end()


def worked(here: Place) -> int:
    """Count the messages on which the gateway has worked."""
    return sum(here.gateway.counters.received.values())


async def greeted(here: Place, *, receives: int = 0) -> RawClient:
    client = await RawClient.connect(here.port, PATH, receives=receives)
    assert (await client.frame()).opcode == TEXT
    return client


async def joined(here: Place) -> Client:
    """Connect a member who would see others come and go."""
    member = await here.connect()
    await member.subscribe(ROOM, user="ann")
    return member


async def longest_wait(here: Place, *, pings: int = 20) -> int:
    """Ping the gateway again and again; returns on how many messages of others it worked meanwhile, at most."""
    watched, longest = await greeted(here), 0
    for number in range(pings):
        mark, before = str(number).encode(), worked(here)
        await watched.send(mark, PING)
        assert await watched.frame() == Frame(PONG, mark)
        longest = max(longest, worked(here) - before)
    watched.close()
    return longest


class TestFloods:
    """Many who send very much at once."""

    @pytest.mark.parametrize("kind", FLOODS)
    async def test_others(self, kind: str) -> None:
        """
        The others are answered after a few frames of the attackers, and members stay.
        """
        async with place() as here:
            member = await joined(here)

            async with attacked(here, FLOODS[kind], many=MANY):
                longest = await longest_wait(here)

            assert longest <= TURNS * (TURN + SLICE + MANY)
            await member.expect_nothing_else()
            assert here.gateway.counters.closed.get(4201, 0) == 0

    async def test_bounded(self) -> None:
        """
        Of each no more is worked on than it may send.
        """
        app = structs.replace(APP, limits=Limits(channels=10, client_events=0))
        async with (
            place(apps=MemoryApps([app]), frames=1, frames_burst=400) as here,
            attacked(here, FLOODS["pings"], many=20),
        ):
            await until(lambda: here.gateway.counters.paused.get("frames", 0) == 20)

            assert here.gateway.state().unheard == 20
            assert worked(here) <= 20 * (400 + SLICE)

    async def test_refused(self) -> None:
        """
        Of one that was refused a little is read, for its Close frame, and nothing is worked on.
        """
        async with place() as here:
            client = await RawClient.connect(here.port, "/app/unknown?protocol=7")
            async with asyncio.TaskGroup() as tasks:
                flood = tasks.create_task(flooding(client, FLOODS["pings"] * 100))

                await client.rest()  # Until it is cut off.
                flood.cancel()

            client.close()
            assert worked(here) == 0

    async def test_full_speed(self) -> None:
        """
        One who does not stop is closed after a while, with a code after which clients return.
        """
        async with place(timers=replace(QUICK, patience=0.3)) as here:
            member, client = await joined(here), await greeted(here)
            async with asyncio.TaskGroup() as tasks:
                flood = tasks.create_task(flooding(client, FLOODS["pings"] * 100))

                while (frame := await client.frame()).opcode == PONG:
                    pass

                assert read(frame.payload)["data"]["code"] == 4100
                assert (await client.frame()).code == 4100
                flood.cancel()
            client.close()
            await until(lambda: here.gateway.counters.closed.get(4100) == 1)
            await member.expect_nothing_else()


class TestReturning:
    """A client that comes back with all that its app allows."""

    async def test_not_held(self) -> None:
        """
        Is not held for it.
        """
        async with place() as here:
            client = await here.connect()

            for number in range(100):
                await client.ask(f"private-{number}")
            for number in range(100):
                await client.expect(SUCCEEDED, f"private-{number}")
            for _ in range(10):
                await client.whisper("private-1", "client-said", {"auth": 1})
            await client.expect_nothing_else()

            assert here.gateway.counters.paused == {}


class TestUnreadAnswers:
    """A client that sends faster than its answers are read."""

    async def test_paused(self) -> None:
        """
        Is not heard until it has read; then all is answered, in order.
        """
        count = 60_000
        async with place(frames=0) as here:
            client = await greeted(here, receives=4096)
            pings = b"".join(masked(b"%0120d" % number, PING) for number in range(count))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(client.write(pings))
                await until(lambda: here.gateway.counters.paused.get("answers", 0) > 0)
                unsent = here.gateway.state().unsent

                for number in range(count):
                    assert await client.frame() == Frame(PONG, b"%0120d" % number)

            assert unsent < 128 * 1024
            client.close()


class TestUnfinished:
    """A message that has no end."""

    @pytest.mark.parametrize(
        "begun", [masked(b"{", final=False), masked(b"{}")[:-1]], ids=["fragment", "frame"]
    )
    async def test_closed(self, begun: bytes) -> None:
        """
        The client is closed after a while, with a code after which clients return.
        """
        async with place(message_timeout=0.3) as here:
            member, client = await joined(here), await greeted(here)

            await client.write(begun)

            assert read((await client.frame()).payload)["data"]["code"] == 4100
            frame = await client.frame()
            assert (frame.opcode, frame.code) == (CLOSE, 4100)
            client.close()
            await member.expect_nothing_else()

    async def test_in_time(self) -> None:
        """
        One that comes in pieces, and in time, is taken.
        """
        async with place() as here:
            client = await greeted(here)

            for byte in masked(b'{"event":"pusher:ping"}'):
                await client.write(bytes([byte]))

            assert read((await client.frame()).payload)["event"] == "pusher:pong"
            client.close()
