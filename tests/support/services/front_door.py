"""An application behind a front door, and peers that send it bytes."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from libs.common.config.address import Address
from libs.common.telemetry.metrics.requests import RequestMetrics
from libs.common.web import http
from libs.common.web.bodies.reading import read_body
from libs.common.web.certificates import Certificate
from libs.common.web.door.limits import DoorLimits
from libs.common.web.door.short_request import AnyRequest, ShortRequest
from libs.common.web.door.ways import ShortWay, Ways
from libs.common.web.listeners import listening
from tests.support.deadline import DEADLINE
from tests.support.servers import Certificates

READ_TIMEOUT = 2.0  # Seconds that the long way waits for a body.
MOST = 1 << 20  # Bytes of one.


class Desk:
    """
    What is served: requests are told which way they came, and may have to wait.

    Attributes:
        open: Unset, requests whose body is ``wait`` are not answered.
        asked: The bodies that came, in order.
        upgrades: What clients sent behind their upgrades.
    """

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.asked: list[bytes] = []
        self.upgrades: list[bytes] = []

    def app(self, metrics: RequestMetrics) -> web.Application:
        """Make the application, as a process makes its own."""
        app = web.Application(middlewares=[metrics.counting(), http.errors])
        app.add_routes(
            [
                web.post("/{prefix:(?:.*/)?}apps/{app_id}/events", self.answer),
                web.route("*", "/up", self.answer),
            ]
        )
        return app

    def ways(self) -> Ways:
        """Have events go the short way, and take WebSockets."""
        return Ways((ShortWay("apps/{app_id}/events", self.answer),), self)

    async def answer(self, request: AnyRequest) -> web.Response:
        """Answer with the way, and the body."""
        way = "long" if isinstance(request, web.Request) else "short"
        body = await read_body(request, limit=MOST, timeout=READ_TIMEOUT)
        self.asked.append(body)
        if body == b"wait":
            await self.open.wait()
        return web.Response(text=f"{way} {request.path} {body[:40].decode()}")

    def is_full(self) -> bool:
        """See `Upgrader.is_full`."""
        return False

    def upgraded(
        self, request: ShortRequest, transport: asyncio.Transport, *, answer: bytes, rest: bytes
    ) -> None:
        """See `Upgrader.upgraded`: say the path, and echo until the client ends."""
        transport.write(answer + request.path.encode())
        echo = Echo(self, transport)
        transport.set_protocol(echo)
        if rest:
            echo.data_received(rest)


class Echo(asyncio.Protocol):
    """A client that was upgraded: it hears what it says."""

    def __init__(self, desk: Desk, transport: asyncio.Transport) -> None:
        self._desk = desk
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Echo."""
        self._desk.upgrades.append(data)
        self._transport.write(data)


@dataclass(slots=True)
class Peer:
    """
    A connection to it, byte by byte.

    Attributes:
        heads: Those of the answers that it got.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heads: list[str] = field(default_factory=list)

    async def say(self, *pieces: bytes) -> None:
        """Send pieces, each as a packet of its own as far as that can be."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def answer(self) -> tuple[int, str]:
        """Read an answer: its status and its body."""
        async with asyncio.timeout(DEADLINE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            names = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            body = await self.reader.readexactly(int(names.get("Content-Length", 0)))
        return int(head.split()[1]), body.decode()

    async def rest(self) -> bytes:
        """Read until the other side ends the connection."""
        async with asyncio.timeout(DEADLINE):
            return await self.reader.read()

    def reset(self) -> None:
        """Break the connection off."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass(slots=True)
class Here:
    """
    A front door with a desk behind it.

    Attributes:
        desk: What is served.
        port: Where, on the loopback.
        metrics: What is counted.
        context: How peers speak TLS; None: they do not.
    """

    desk: Desk
    port: int
    metrics: RequestMetrics
    context: ssl.SSLContext | None
    peers: list[Peer] = field(default_factory=list)

    async def peer(self, *, receives: int = 0) -> Peer:
        """Connect; ``receives`` are the bytes that the kernel may keep unread, 0: its own choice."""
        own = socket.socket()
        own.settimeout(0)
        if receives:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        name = "127.0.0.1" if self.context else None
        async with asyncio.timeout(DEADLINE):
            await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", self.port))
            streams = await asyncio.open_connection(
                sock=own, ssl=self.context, server_hostname=name
            )
        peer = Peer(*streams)
        self.peers.append(peer)
        return peer

    def counted(self) -> dict[str, int]:
        """Tell how many answers of each status were counted."""
        requests, _ = self.metrics.metrics()
        counts = ((status, count) for (status,), count in requests.values.items())
        return {status: count for status, count in counts if isinstance(count, int) and count}


@asynccontextmanager
async def front_door(
    limits: DoorLimits | None = None, certificates: Certificates | None = None
) -> AsyncIterator[Here]:
    """Serve a desk, and see that all tasks end with it."""
    before = asyncio.all_tasks()
    desk, metrics = Desk(), RequestMetrics()
    shown = Certificate(certificates.certificate, certificates.key) if certificates else None
    async with listening(
        desk.app(metrics),
        [Address("127.0.0.1", 0)],
        shown.context if shown else None,
        ways=desk.ways(),
        limits=limits or DoorLimits(),
        metrics=metrics,
    ) as (bound,):
        client = certificates.client_context() if certificates else None
        here = Here(desk, bound.port, metrics, client)
        try:
            yield here
        finally:
            for peer in here.peers:
                peer.writer.transport.abort()
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:  # aiohttp cancels its own, and does not wait for that.
        _, left = await asyncio.wait(left, timeout=DEADLINE)
    assert not left, left
