"""
A listener that echoes, for suites that judge a WebSocket server by its echo.

No such suite can talk to the Pusher endpoint, which speaks first and takes no binary messages.  Here too clients come
through the front door, and a real `Connection` reads, writes, answers pings and closes through a real `Socket`, as
clients meet them; only its session says what it hears.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from aiohttp import web

from libs.common.config.address import Address
from libs.common.web.door.ways import Ways
from libs.common.web.listeners import listening
from services.gateway.connections.connection import Connection
from services.gateway.connections.socket import Socket, frame
from services.gateway.protocol.effects import Effect, Send
from services.gateway.protocol.reader import BINARY, Frame
from services.gateway.session.session import Session
from tests.support.services.listener import APP, Porch, nowhere

MAX_MESSAGE = 256 * 1024  # Bytes, as long as the longest of an Autobahn case outside of section 9.
MAX_UNSENT = 1024 * 1024


class _EchoSession:
    """A session whose protocol is to repeat texts."""

    app = APP
    socket_id = "1.1"
    is_known = False

    def opened(self) -> list[Effect]:
        return []

    def heard(self, now: float) -> None:
        """Wait for ever."""

    def received(self, text: bytes | str, now: float) -> list[Effect]:
        self.heard(now)
        return [Send(text.encode() if isinstance(text, str) else text)]

    def closed(self) -> list[Effect]:
        return []


class _EchoConnection(Connection):
    """A connection that repeats binary messages: no session ever sees one."""

    __slots__ = ()

    def receive(self, message: Frame, now: float) -> None:
        if message.opcode == BINARY:
            self.socket.write(frame(message.payload, BINARY))
        else:
            super().receive(message, now)


class _Echo(Porch):
    def connected(self, transport: asyncio.Transport) -> Connection:
        session = cast(Session, _EchoSession())
        socket = Socket(transport, max_unsent=MAX_UNSENT)
        return _EchoConnection(session, socket, nowhere(), max_message=MAX_MESSAGE)


@asynccontextmanager
async def echoing() -> AsyncIterator[str]:
    """Run the listener; yields its ``ws://`` URL."""
    ways = Ways(upgrader=_Echo())
    async with listening(web.Application(), [Address("127.0.0.1", 0)], ways=ways) as (bound,):
        yield f"ws://{bound}"
