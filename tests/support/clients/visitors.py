"""Pusher clients on plain sockets: each keeps all that it hears, in order, and can be waited for."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import WSMsgType

from libs.common.apps.app import App
from libs.common.apps.signatures import token, user_text
from tests.support.clients import pusher
from tests.support.deadline import DEADLINE

LIMIT = 1 << 22  # Bytes of a frame.
BROKEN_OFF = 1006  # RFC 6455, 7.1.5: there was no Close frame.


class Visitor:
    """
    A client that does what it is told, and comes back only then.

    Args:
        http: For its connections.
        app: Whose client it is; with its secret it signs for itself.
        tasks: Where its reader runs.

    Attributes:
        frames: What it heard on its present connection, with data decoded.
        socket_id: The name of its present connection; empty until it is greeted.
        closed_with: The code with which its present connection ended; None while it is open.
    """

    def __init__(self, http: aiohttp.ClientSession, app: App, tasks: asyncio.TaskGroup) -> None:
        self._http = http
        self._app = app
        self._tasks = tasks
        self._stirred = asyncio.Condition()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._texts: list[str] = []
        self._on: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.frames: list[dict[str, Any]] = []
        self.socket_id = ""
        self.closed_with: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether its present connection is open."""
        return self.closed_with is None

    async def connect(self, url: str) -> None:
        """Connect, and wait until it is greeted or sent away."""
        address = f"{url}/app/{self._app.key}?protocol=7&client=test&version=1"
        self.frames, self._texts = [], []
        self._on.clear()
        self.socket_id, self.closed_with = "", None
        # With autoclose aiohttp forgets the code if the server does not wait for an answer.
        self._socket = await self._http.ws_connect(address, max_msg_size=LIMIT, autoclose=False)
        self._tasks.create_task(self._read(self._socket))
        await self.until(lambda: bool(self.socket_id) or not self.is_open)

    async def say(self, frame: bytes) -> None:
        """Send a frame."""
        assert self._socket is not None
        await self._socket.send_str(frame.decode())

    async def ask(self, channel: str, *, user: str = "") -> None:
        """Ask to subscribe, to a presence channel as this user."""
        if user:
            frame = pusher.subscribe_presence(self._app, self.socket_id, channel, user_id=user)
        else:
            frame = pusher.subscribe_private(self._app, self.socket_id, channel)
        await self.say(frame)

    async def join(self, channel: str, *, user: str = "") -> None:
        """Subscribe, and wait until that succeeded."""
        await self.ask(channel, user=user)
        await self.until_in(channel)

    async def sign_in(self, user: str, **data: Any) -> None:
        """Become a user, of whom a back end says this, and wait until that succeeded."""
        text = json.dumps({"id": user, **data})
        auth = token(self._app, user_text(self.socket_id, text))
        signed = {"event": "pusher:signin", "data": {"auth": auth, "user_data": text}}
        await self.say(json.dumps(signed).encode())
        await self.until(
            lambda: any(frame["event"] == "pusher:signin_success" for frame in self.frames)
        )

    async def leave(self) -> None:
        """Close the connection, and wait for its end."""
        assert self._socket is not None
        await self._socket.close()
        await self.until_closed()

    def is_in(self, channel: str) -> bool:
        """Tell whether a subscription succeeded."""
        return bool(self._events(channel, "pusher_internal:subscription_succeeded"))

    def heard(self, channel: str) -> list[Any]:
        """Return the data of the events that it heard on a channel, in order."""
        return [
            frame.get("data")
            for frame in self._on[channel]
            if not frame["event"].startswith(("pusher", "fanfare:"))
        ]

    def texts(self, channel: str) -> list[str]:
        """Return the data of the events that it heard on a channel, in order, as they came."""
        frames = [json.loads(text) for text in self._texts]
        return [
            frame["data"]
            for frame in frames
            if frame.get("channel") == channel
            and not frame["event"].startswith(("pusher", "fanfare:"))
        ]

    def errors(self) -> list[int | None]:
        """Return the codes of the errors that it was told on its present connection."""
        return [frame["data"]["code"] for frame in self.frames if frame["event"] == "pusher:error"]

    def resyncs(self, channel: str) -> int:
        """Count how often it was told that it missed something in a channel."""
        return len(self._events(channel, "fanfare:resync"))

    def members(self, channel: str) -> set[str]:
        """Return who is in a presence channel, as it was told."""
        found: set[str] = set()
        for frame in self._on[channel]:
            match frame["event"]:
                case "pusher_internal:subscription_succeeded":
                    found = set(frame["data"]["presence"]["ids"])
                case "pusher_internal:member_added":
                    found.add(frame["data"]["user_id"])
                case "pusher_internal:member_removed":
                    found.discard(frame["data"]["user_id"])
        return found

    def changes(self, channel: str) -> list[str]:
        """Return the changes of a presence channel that it was told of, such as ``+ann`` and ``-bob``."""
        signs = {"pusher_internal:member_added": "+", "pusher_internal:member_removed": "-"}
        return [
            signs[frame["event"]] + frame["data"]["user_id"]
            for frame in self._on[channel]
            if frame["event"] in signs
        ]

    async def until_closed(self) -> int | None:
        """Wait until its present connection has ended, and return with which code."""
        await self.until(lambda: not self.is_open)
        return self.closed_with

    async def until_in(self, channel: str) -> None:
        """Wait until a subscription succeeded."""
        await self.until(lambda: self.is_in(channel))

    async def until_heard(self, channel: str, *data: Any) -> None:
        """Wait until it heard events with all of these data on a channel."""
        await self.until(lambda: all(each in self.heard(channel) for each in data))

    async def until_number(self, channel: str, count: int) -> None:
        """Wait until it heard so many events on a channel."""
        await self.until(lambda: len(self.heard(channel)) >= count)

    async def until_members(self, channel: str, *users: str) -> None:
        """Wait until it was told that these are the members of a presence channel, and nobody else."""
        await self.until(lambda: self.members(channel) == set(users))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of what it heard."""
        async with self._stirred:
            try:
                async with asyncio.timeout(DEADLINE):
                    await self._stirred.wait_for(holds)
            except TimeoutError:
                raise AssertionError(
                    f"not heard in time; closed with {self.closed_with}, {len(self.frames)} frames, "
                    f"the last: {self.frames[-5:]}"
                ) from None

    def _events(self, channel: str, event: str) -> list[dict[str, Any]]:
        return [frame for frame in self._on[channel] if frame["event"] == event]

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Keep what comes on one connection, until it ends or another took its place."""
        while not socket.closed:
            message = await socket.receive()
            async with self._stirred:
                if socket is self._socket:
                    self._keep(message)
                self._stirred.notify_all()
            if message.type is not WSMsgType.TEXT:
                await socket.close()

    def _keep(self, message: aiohttp.WSMessage) -> None:
        if message.type is not WSMsgType.TEXT:
            self.closed_with = message.data if message.type is WSMsgType.CLOSE else BROKEN_OFF
            return
        frame = pusher.read(message.data)
        self._texts.append(message.data)
        self.frames.append(frame)
        self._on[frame.get("channel", "")].append(frame)
        if frame["event"] == "pusher:connection_established":
            self.socket_id = frame["data"]["socket_id"]


@asynccontextmanager
async def visitors(app: App) -> AsyncIterator[Callable[[], Visitor]]:
    """Yield what makes visitors; their connections end with the context."""
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        yield lambda: Visitor(http, app, tasks)
        await http.close()
