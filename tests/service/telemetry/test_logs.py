"""What other libraries say, and what of it is written."""

import asyncio
import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from libs.common.config.address import Address
from libs.common.telemetry import logs
from libs.common.telemetry.settings import LogSettings
from libs.common.web.server import Server
from tests.support.deadline import DEADLINE

LOOPBACK = Address("127.0.0.1", 0)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Configure the logs as the program does, yield what is written, and put all back."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(LogSettings(format="json"))
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    handler.setStream(stream)
    yield stream
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer hush\x01\r\n\r\n",
        b"GET /apps/1/events?auth_signature=hush\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"hush\r\n\r\n",
    ],
)
async def test_malformed_requests(request_text: bytes, written: io.StringIO) -> None:
    """
    A request that is no HTTP is answered with 400 or cut off, and nothing of it is logged.
    """
    server = Server([], LOOPBACK, LOOPBACK)
    started, stop = asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(stop, started=started.set))
        await started.wait()
        assert server.bound is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", server.bound[0].port)
        writer.write(request_text)
        await reader.read()
        writer.close()
        stop.set()

    assert "hush" not in written.getvalue()


def test_faults_are_kept(written: io.StringIO) -> None:
    """
    What else aiohttp complains of is written.
    """
    logging.getLogger("aiohttp.server").error("a handler failed", exc_info=RuntimeError("ours"))

    assert "ours" in written.getvalue()
