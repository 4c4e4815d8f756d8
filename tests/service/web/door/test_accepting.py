"""Connections are taken from listening sockets: not faster than may be, and no more than there are descriptors."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from libs.common.web.door import accepting
from libs.common.web.door.accept_rate import AcceptRate
from libs.common.web.door.accepting import Accepting
from libs.common.web.door.mismatches import Mismatches
from tests.support.deadline import DEADLINE
from tests.support.servers import Certificates
from tests.support.services.gateway import until


class _Greeter(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")


@asynccontextmanager
async def taking(
    rate: float = 0.0, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Accepting, int]]:
    """Accept and greet; yields who accepts, and the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        accepts = Accepting(
            _Greeter,
            context=context,
            handshake_timeout=10 * DEADLINE,
            rate=AcceptRate(rate),
            mismatches=Mismatches(),
        )
        accepts.open([listener])
        try:
            yield accepts, listener.getsockname()[1]
        finally:
            accepts.close()


async def heard(port: int) -> bytes:
    """Connect, and return what is said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(DEADLINE):
            return await reader.read(100)
    finally:
        writer.close()


async def test_taken() -> None:
    async with taking() as (_, port):
        assert await asyncio.gather(*(heard(port) for _ in range(200))) == [b"hello"] * 200


async def test_out_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Beyond the bound one is sent away at each look, in one line for all; once it is lifted all are taken.
    """
    monkeypatch.setattr(accepting, "RETRY", 0.01)
    async with taking() as (accepts, port):
        usual, accepts.most = accepts.most, 0
        with capture_logs() as logs:
            assert [await heard(port) for _ in range(3)] == [b""] * 3
        accepts.most = usual
        assert await heard(port) == b"hello"

    assert [(line["event"], line["reason"]) for line in logs] == [
        ("accept.paused", "too many open files")
    ]


async def test_rate() -> None:
    """
    Who is beyond the rate waits, and is taken.
    """
    async with taking(rate=20) as (_, port):
        began = asyncio.get_running_loop().time()
        assert await asyncio.gather(*(heard(port) for _ in range(25))) == [b"hello"] * 25

        assert asyncio.get_running_loop().time() - began >= 0.2


async def test_closed_while_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    It may end while nobody is taken.
    """
    monkeypatch.setattr(accepting, "RETRY", 0.0)
    async with taking() as (accepts, port):
        accepts.most = 0
        assert await heard(port) == b""


async def test_closed_while_agreeing(certificates: Certificates) -> None:
    """
    Who has yet to agree on TLS as it ends is cut off.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    async with asyncio.timeout(DEADLINE):
        async with taking(context=context) as (accepts, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await until(lambda: bool(accepts._agreeing))
        assert await reader.read() == b""
        writer.close()
