"""Very many members of one presence channel, each on a socket of its own, who remember only each other."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from aiohttp import WSMsgType

from libs.common.apps.app import App
from tests.support.clients import pusher
from tests.support.deadline import DEADLINE

TOGETHER = 50  # That connect at the same time.


class Guest:
    """
    A member, who comes back only when told to.

    Args:
        crowd: Whom it belongs to.
        name: The user's id.

    Attributes:
        there: Who is in the channel, as it was told.
        changes: What it was told since it joined last, such as ``+ann`` and ``-bob``.
    """

    def __init__(self, crowd: "Crowd", name: str) -> None:
        self._crowd = crowd
        self.name = name
        self.there: set[str] = set()
        self.changes: list[str] = []
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._awaited: set[str] | None = None
        self._met = asyncio.Event()
        self._is_in = asyncio.Event()

    async def join(self, url: str) -> None:
        """Connect to a gateway and join the channel; a former connection is forgotten."""
        self._is_in.clear()
        self._socket = await self._crowd.open(url)
        self._crowd.tasks.create_task(self._read(self._socket))
        await self._is_in.wait()

    async def leave(self) -> None:
        """Close the connection."""
        assert self._socket is not None
        await self._socket.close()

    async def until_there(self, names: set[str]) -> None:
        """Wait until it was told that exactly these are there."""
        self._awaited = names
        self._compare()
        await self._met.wait()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is WSMsgType.TEXT and socket is self._socket:
                await self._take(socket, msgspec.json.decode(message.data))

    async def _take(self, socket: aiohttp.ClientWebSocketResponse, frame: dict[str, Any]) -> None:
        event = frame["event"]
        if event.startswith("pusher_internal:member_"):
            self._change(event, msgspec.json.decode(frame["data"])["user_id"])
        elif event == "pusher_internal:subscription_succeeded":
            self.there = set(msgspec.json.decode(frame["data"])["presence"]["ids"])
            self.changes = []
            self._is_in.set()
        elif event == "pusher:connection_established":
            socket_id = msgspec.json.decode(frame["data"])["socket_id"]
            await socket.send_str(self._crowd.subscription(socket_id, self.name))
        self._compare()

    def _change(self, event: str, user: str) -> None:
        comes = event.endswith("added")
        self.changes.append(("+" if comes else "-") + user)
        (self.there.add if comes else self.there.discard)(user)

    def _compare(self) -> None:
        if self.there == self._awaited:
            self._met.set()
        else:
            self._met.clear()


class Crowd:
    """
    Members of one channel.

    Args:
        http: For their connections.
        app: Whose clients they are; with its secret they sign for themselves.
        channel: Which they join.
        tasks: Where their readers run.
    """

    def __init__(
        self, http: aiohttp.ClientSession, app: App, *, channel: str, tasks: asyncio.TaskGroup
    ) -> None:
        self._http = http
        self._app = app
        self._channel = channel
        self.tasks = tasks

    def guests(self, names: Iterable[str]) -> list[Guest]:
        """Name members who have not come yet."""
        return [Guest(self, name) for name in names]

    async def open(self, url: str) -> aiohttp.ClientWebSocketResponse:
        """Open a connection."""
        address = f"{url}/app/{self._app.key}?protocol=7&client=test&version=1"
        return await self._http.ws_connect(address, max_msg_size=1 << 22)

    def subscription(self, socket_id: str, user: str) -> str:
        """Compose the frame with which a user asks for the channel."""
        frame = pusher.subscribe_presence(self._app, socket_id, self._channel, user_id=user)
        return frame.decode()


async def join(guests: Iterable[Guest], url: str) -> None:
    """Have members come, some at a time."""
    turns = asyncio.Semaphore(TOGETHER)

    async def come(guest: Guest) -> None:
        async with turns:
            await guest.join(url)

    async with asyncio.timeout(DEADLINE):
        await asyncio.gather(*map(come, guests))


async def until_there(guests: Iterable[Guest], names: set[str]) -> None:
    """Wait until all of them were told that exactly these are there."""
    async with asyncio.timeout(DEADLINE):
        await asyncio.gather(*(guest.until_there(names) for guest in guests))


@asynccontextmanager
async def crowd(app: App, channel: str) -> AsyncIterator[Crowd]:
    """Yield what makes members of a channel; their connections end with the context."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
        yield Crowd(http, app, channel=channel, tasks=tasks)
        await http.close()
