"""
One connection of `fanfare listen`: greeted, signed in, subscribed, and then read.

It signs for itself with the app's secret, as a back end would, and asks no auth endpoint.  Source:
Pusher, "Channels protocol".
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from libs.common.apps.app import App
from libs.common.apps.signatures import channel_text, token, user_text
from libs.common.channels import Kind, kind_of, needs_token
from services.cli import client

STEP_TIMEOUT = 10.0  # Seconds that connecting and each answer may take.
CLOSE_TIMEOUT = 1.0  # Seconds that the gateway may take to answer a Close frame.
HEARTBEAT = 30.0  # Seconds between pings; half of it for the answer.
_PASSING = range(4100, 4300)  # Pusher, "Connection closure": come back.
_SUCCEEDED = "pusher_internal:subscription_succeeded"
_MEMBERS = frozenset({"pusher_internal:member_added", "pusher_internal:member_removed"})
_OF_PROTOCOL = ("pusher:", "pusher_internal:")


class Hopeless(Exception):
    """There is nothing to listen to, and trying again will not help; the text says why."""


class Lost(Exception):
    """The connection broke off, and may be had again."""


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What to listen to, and as whom.

    Attributes:
        app: Whose channels are meant, and whose secret signs.
        channels: Their names.
        user: The user's id; empty: none.
        claims: What else is said of the user, for policies of public channels.
    """

    app: App
    channels: tuple[str, ...]
    user: str
    claims: Mapping[str, Any]

    def sign_in(self, socket_id: str) -> dict[str, str]:
        """Sign who the user is."""
        text = json.dumps({"id": self.user, "claims": self.claims})
        return {"auth": token(self.app, user_text(socket_id, text)), "user_data": text}

    def subscribe(self, socket_id: str, channel: str) -> dict[str, str]:
        """Sign that the channel may be joined, where that is needed."""
        data = {"channel": channel}
        if not needs_token(channel):
            return data
        member = json.dumps({"user_id": self.user}) if kind_of(channel) is Kind.PRESENCE else None
        if member is not None:
            data["channel_data"] = member
        return data | {"auth": token(self.app, channel_text(socket_id, channel, member))}


class Ear:
    """
    One connection that listens.

    Args:
        wish: What to listen to.
        socket: Open.
    """

    def __init__(self, wish: Wish, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._wish = wish
        self._socket = socket
        self._early: deque[dict[str, Any]] = deque()  # What came before all was joined.

    async def join(self) -> None:
        """
        Be greeted, sign in, and subscribe.

        Raises:
            Hopeless: The gateway refuses it.
            Lost: The connection broke off.
            TimeoutError: An answer does not come.
        """
        greeting = await self._answer("pusher:connection_established")
        socket_id = msgspec.json.decode(greeting["data"])["socket_id"]
        if self._wish.user:
            await self._send("pusher:signin", self._wish.sign_in(socket_id))
            await self._answer("pusher:signin_success")
        for channel in self._wish.channels:
            await self._send("pusher:subscribe", self._wish.subscribe(socket_id, channel))
            await self._answer(_SUCCEEDED, channel)

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what arrives, members included, until `Hopeless` or `Lost` is raised."""
        while True:
            frame = self._early.popleft() if self._early else await self._next()
            event = frame["event"]
            if "channel" in frame and (event in _MEMBERS or not event.startswith(_OF_PROTOCOL)):
                yield frame

    async def _send(self, event: str, data: object) -> None:
        try:
            await self._socket.send_str(json.dumps({"event": event, "data": data}))
        except ConnectionError as error:
            raise Lost("the connection broke off") from error

    async def _answer(self, event: str, channel: str | None = None) -> dict[str, Any]:
        """Wait for an answer, and keep what comes before it."""
        async with asyncio.timeout(STEP_TIMEOUT):
            while True:
                frame = await self._next()
                if (frame["event"], frame.get("channel")) == (event, channel):
                    return frame
                self._early.append(frame)

    async def _next(self) -> dict[str, Any]:
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            code = self._socket.close_code or 1006
            ends = Lost if code in _PASSING or code < 4000 else Hopeless
            raise ends(f"the connection was closed with {code}")
        frame = client.frame_of(message.data)
        match frame["event"]:
            case "pusher:ping":
                await self._send("pusher:pong", {})
            case "pusher:error":
                _check_error(frame.get("data"))
            case "pusher:subscription_error":
                refusal = client.refusal_in(frame.get("data"))
                raise Hopeless(f"{frame.get('channel')}: {refusal}")
        return frame


@asynccontextmanager
async def connected(http: aiohttp.ClientSession, url: str, wish: Wish) -> AsyncIterator[Ear]:
    """
    Connect, and let nobody wait for the end.

    Args:
        http: Makes the connection.
        url: Where the deployment is.
        wish: What to listen to.

    Raises:
        aiohttp.ClientError: Nobody is there, or speaks WebSocket.
        TimeoutError: There is no answer.
    """
    address = f"{url}/app/{wish.app.key}?protocol=7&client=fanfare&version=1"
    async with asyncio.timeout(STEP_TIMEOUT):
        socket = await http.ws_connect(
            address,
            heartbeat=HEARTBEAT,
            max_msg_size=0,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT),
        )
    try:
        yield Ear(wish, socket)
    finally:
        await socket.close()


def _check_error(data: Any) -> None:
    """End at what will not pass; of what does, the Close frame that follows tells."""
    code = data.get("code") if isinstance(data, dict) else None
    if code not in _PASSING:
        raise Hopeless(client.refusal_in(data))
