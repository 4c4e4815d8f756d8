"""A Pusher client that reads frame by frame, under a deadline, and takes nothing that it did not expect."""

import asyncio
import json
from typing import Any

from aiohttp import ClientWebSocketResponse, WSMessage, WSMsgType

from libs.common.apps.app import App
from tests.support.clients import pusher
from tests.support.deadline import DEADLINE

SUCCEEDED = "pusher_internal:subscription_succeeded"
ADDED = "pusher_internal:member_added"
REMOVED = "pusher_internal:member_removed"


class Client:
    """
    A client's connection.

    Args:
        websocket: Open; it answers pings by itself unless it was told not to.
        app: Whose secret signs its tokens.

    Attributes:
        socket_id: As the gateway named it, once it was greeted.
    """

    def __init__(self, websocket: ClientWebSocketResponse, app: App) -> None:
        self.websocket = websocket
        self.socket_id = ""
        self._app = app

    async def greeted(self) -> dict[str, Any]:
        """Read the greeting, and return its data."""
        data: dict[str, Any] = await self.expect("pusher:connection_established")
        self.socket_id = data["socket_id"]
        return data

    async def receive(self) -> WSMessage:
        """Read whatever comes next."""
        async with asyncio.timeout(DEADLINE):
            return await self.websocket.receive()

    async def read(self) -> dict[str, Any]:
        """Read the next frame, which must be a Pusher message; its data is decoded."""
        message = await self.receive()
        assert message.type is WSMsgType.TEXT, message
        return pusher.read(message.data)

    async def expect(self, event: str, channel: str | None = None) -> Any:
        """Read the next message, which must be this event; return its data."""
        message = await self.read()
        assert (message["event"], message.get("channel")) == (event, channel), message
        return message.get("data")

    async def expect_error(self, code: int) -> str:
        """Read the next message, which must be an error with this code; return its wording."""
        data = await self.expect("pusher:error")
        assert data["code"] == code, data
        wording: str = data["message"]
        return wording

    async def expect_close(self) -> int | None:
        """Read the end of the connection, which must be next; return its code."""
        message = await self.receive()
        assert message.type in {WSMsgType.CLOSE, WSMsgType.CLOSED}, message
        return self.websocket.close_code

    async def expect_nothing_else(self) -> None:
        """See that whatever the gateway wrote until now was read: its answer to a ping is next."""
        await self.send({"event": "pusher:ping", "data": {}})
        await self.expect("pusher:pong")

    async def send(self, message: Any) -> None:
        """Send a message: text and bytes of a text frame as they are, anything else as JSON."""
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        await self.websocket.send_str(text.decode() if isinstance(text, bytes) else text)

    async def ask(self, channel: str, *, user: str = "", info: Any = None) -> None:
        """Ask to subscribe, to a presence channel as this user."""
        if user:
            frame = pusher.subscribe_presence(
                self._app, self.socket_id, channel, user_id=user, user_info=info
            )
        else:
            frame = pusher.subscribe_private(self._app, self.socket_id, channel)
        await self.send(frame)

    async def subscribe(self, channel: str, *, user: str = "", info: Any = None) -> Any:
        """Subscribe, and return the data of the answer; of a presence channel the ids of its members."""
        await self.ask(channel, user=user, info=info)
        data = await self.expect(SUCCEEDED, channel)
        return data["presence"]["ids"] if user else data

    async def unsubscribe(self, channel: str) -> None:
        """Unsubscribe, which is not answered."""
        await self.send(pusher.unsubscribe(channel))

    async def whisper(self, channel: str, event: str, data: Any) -> None:
        """Send a client event."""
        await self.send({"event": event, "channel": channel, "data": data})

    async def close(self) -> None:
        """Close the connection in order."""
        async with asyncio.timeout(DEADLINE):
            await self.websocket.close()
