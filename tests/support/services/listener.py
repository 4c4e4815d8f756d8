"""
A server whose connections are handed to the test, so that both ends can be seen.

The server's side of each is a real `Connection` with a real `Session`; only the gateway around it is missing.
"""

import asyncio
import gc
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace

from aiohttp import web

from libs.common.apps.app import App
from libs.common.config.address import Address
from libs.common.config.secret import Secret
from libs.common.web import listeners
from libs.common.web.door.short_request import ShortRequest
from libs.common.web.door.ways import Ways
from services.gateway.connections.connection import Connection, Surroundings
from services.gateway.connections.socket import Socket
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from services.gateway.timers import TIMERS
from tests.support.clients.raw_client import TEXT, RawClient
from tests.support.deadline import DEADLINE
from tests.support.tokens.channel_tokens import verifier

MAX_UNSENT = 256 * 1024
MAX_MESSAGE = 4096
BLOCK = b"x" * 65_536
APP = App(id="1", key="app-key", secrets=(Secret("app-secret"),))


def nowhere() -> Surroundings:
    """Make surroundings of connections that join nothing: they know one app, and take no notice."""

    def app(app_id: str) -> App:
        assert app_id == APP.id
        return APP

    def ignore(*_: object) -> None:
        """Take no notice."""

    return Surroundings(
        app=app,
        ask=ignore,
        withdraw=ignore,
        leave=ignore,
        relay=ignore,
        told=ignore,
        signed_in=ignore,
        known_as=ignore,
        shows=ignore,
        belongs=ignore,
        turned=ignore,
        watch_users=ignore,
        watch=ignore,
    )


@dataclass
class Line:
    """A connection as the server has it."""

    connection: Connection
    transport: asyncio.Transport
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def socket(self) -> Socket:
        return self.connection.socket

    async def end(self) -> None:
        """Wait until nothing more of it is read."""
        async with asyncio.timeout(DEADLINE):
            await self.ended.wait()


class Porch(ABC):
    """Lets everybody in, as the front door's `Upgrader`."""

    @abstractmethod
    def connected(self, transport: asyncio.Transport) -> Connection:
        """Make a client's connection."""

    def is_full(self) -> bool:
        return False

    def upgraded(
        self,
        request: ShortRequest,  # noqa: ARG002 - an `Upgrader` is called with it.
        transport: asyncio.Transport,
        *,
        answer: bytes,
        rest: bytes,
    ) -> None:
        connection = self.connected(transport)
        transport.set_protocol(connection)
        connection.begin(answer, rest=rest)


class Listener(Porch):
    """A server that hands its connections to the test."""

    def __init__(self) -> None:
        self.port = 0
        self.max_unsent = MAX_UNSENT
        self.timers = TIMERS
        self._lines: asyncio.Queue[Line] = asyncio.Queue()

    async def connect(self, *, receives: int = 0) -> tuple[Line, RawClient]:
        """Connect a client, and read its greeting."""
        client = await RawClient.connect(self.port, receives=receives)
        line = await self.accepted()
        assert (await client.frame()).opcode == TEXT
        return line, client

    async def accepted(self) -> Line:
        async with asyncio.timeout(DEADLINE):
            return await self._lines.get()

    def connected(self, transport: asyncio.Transport) -> Connection:
        """See `Porch.connected`."""
        ended = asyncio.Event()
        surroundings = replace(nowhere(), ended=lambda _: ended.set())
        session = Session(APP, "1.1", GatewaySettings(), now=0.0, verifier=verifier())
        socket = Socket(transport, max_unsent=self.max_unsent, timers=self.timers)
        connection = Connection(session, socket, surroundings, max_message=MAX_MESSAGE)
        self._lines.put_nowait(Line(connection, transport, ended))
        return connection


@asynccontextmanager
async def listening(context: ssl.SSLContext | None = None) -> AsyncIterator[Listener]:
    listener = Listener()
    anywhere = [Address("127.0.0.1", 0)]
    ways = Ways(upgrader=listener)
    async with listeners.listening(web.Application(), anywhere, context, ways=ways) as (bound,):
        listener.port = bound.port
        yield listener


def fill(line: Line) -> int:
    """Write blocks until some of it waits in the buffer, and return how many."""
    count = 0
    while not line.transport.get_write_buffer_size():
        assert line.socket.send(BLOCK)
        count += 1
    return count


def alive(*kinds: type) -> list[object]:
    """Return the objects of some types that are in memory."""
    gc.collect()
    return remaining(*kinds)


def remaining(*kinds: type) -> list[object]:
    """Return those that are, be they alive or left for the collector."""
    return [each for each in gc.get_objects() if type(each) in kinds]


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the collector from what is done in the context."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def living(*kinds: type) -> int:
    """Count the objects of some types that are in memory."""
    return len(alive(*kinds))
