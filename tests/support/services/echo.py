"""
A listener that echoes, for suites that judge a WebSocket server by its echo.

No such suite can talk to the Pusher endpoint, which speaks first and takes no binary messages.  Here too a real
`Connection` reads from what `upgrade` made, and writes, answers pings and closes through a real `Socket`, as clients
meet them; only its session says what it hears.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from aiohttp import WSMsgType, web

from services.gateway.connections.connection import Connection, upgrade
from services.gateway.connections.socket import Socket, frame
from services.gateway.protocol.effects import Effect, Send
from services.gateway.session.session import Session
from tests.support.clients.raw_client import BINARY
from tests.support.services.listener import APP, nowhere

MAX_MESSAGE = 256 * 1024  # Bytes, as long as the longest of an Autobahn case outside of section 9.
MAX_UNSENT = 1024 * 1024


class _EchoSession:
    """A session whose protocol is to repeat texts."""

    app = APP
    socket_id = "1.1"

    def opened(self) -> list[Effect]:
        return []

    def heard(self, now: float) -> None:
        """Wait for ever."""

    def received(self, text: bytes | str, now: float) -> list[Effect]:
        self.heard(now)
        return [Send(text.encode() if isinstance(text, str) else text)]

    def closed(self) -> list[Effect]:
        return []


class _EchoReader:
    """The reading side of a WebSocket, which repeats binary messages: no session ever sees one."""

    def __init__(self, websocket: "web.WebSocketResponse[bool]", socket: Socket) -> None:
        self._websocket = websocket
        self._socket = socket

    async def receive(self) -> Any:
        """Wait for what is not a binary message."""
        while (message := await self._websocket.receive()).type is WSMsgType.BINARY:
            self._socket.write(frame(message.data, BINARY))
        return message


@asynccontextmanager
async def echoing() -> AsyncIterator[str]:
    """Run the listener; yields its ``ws://`` URL."""
    app = web.Application()
    app.router.add_get("/", _echo)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _echo(request: web.Request) -> web.StreamResponse:
    websocket = upgrade(MAX_MESSAGE)
    await websocket.prepare(request)
    assert request.transport is not None
    socket = Socket(request.transport, max_unsent=MAX_UNSENT)
    connection = Connection(cast(Session, _EchoSession()), socket, nowhere())
    reader = _EchoReader(websocket, socket)
    await connection.run(cast("web.WebSocketResponse[bool]", reader))
    return websocket
