"""No answer says what wrote it, or repeats what was asked, at any address."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.common.config.address import Address
from libs.common.web.server import Server
from tests.service.web.test_public import LOOPBACK, Mirror
from tests.support.deadline import DEADLINE
from tests.support.serving import serving

MARK = b"say-it-again"
UPGRADE = (
    b"GET /app/" + MARK + b" HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: %b\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ASKED = {
    200: b"GET /?" + MARK + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    404: b"GET /" + MARK + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    405: b"DELETE /?" + MARK + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    417: b"GET / HTTP/1.1\r\nHost: a\r\nExpect: " + MARK + b"\r\nContent-Length: 1\r\n\r\nx",
    431: b"GET / HTTP/1.1\r\nHost: a\r\nX: " + MARK * 2000 + b"\r\n\r\n",
}
MALFORMED = [
    MARK + b"\x01 / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET%0d" + MARK + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /" + MARK + b" HTTP/9.9\r\nHost: a\r\n\r\n",
    b"GET /" + MARK + b"\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + MARK + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + MARK + b" : x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + MARK + b"\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: " + MARK + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + MARK + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + MARK * 700 + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + MARK + b"\r\n",
]


@pytest.fixture(params=["public", "internal"])
async def address(request: pytest.FixtureRequest) -> AsyncIterator[Address]:
    mirror = Mirror()
    mirror.released.set()
    async with asyncio.timeout(DEADLINE), serving(Server([mirror], LOOPBACK, LOOPBACK)) as bound:
        (address,) = getattr(bound, request.param)
        yield address


async def said(address: Address, *requests: bytes) -> list[bytes]:
    """Send requests, each after the answer to the one before, and end."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    answers = []
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        size = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
        answers.append(head + await reader.readexactly(int(size or 0)))
    writer.close()
    return answers


def check(answer: bytes, status: int) -> None:
    assert answer.split()[1] == b"%d" % status, answer
    assert b"\r\nserver:" not in answer.lower()
    assert b"python" not in answer.lower()
    assert b"aiohttp" not in answer.lower()
    assert MARK not in answer


@pytest.mark.parametrize("status", ASKED)
async def test_answers(address: Address, status: int) -> None:
    (answer,) = await said(address, ASKED[status])

    check(answer, status)


@pytest.mark.parametrize("request_text", MALFORMED)
async def test_malformed(address: Address, request_text: bytes) -> None:
    """Neither at first, nor after a request in good order."""
    (answer,) = await said(address, request_text)
    *_, later = await said(address, ASKED[404], request_text)

    for each in (answer, later):
        check(each, 400)


@pytest.mark.parametrize("version", [b"13", b"99"])
async def test_upgrades(address: Address, version: bytes) -> None:
    (answer,) = await said(address, UPGRADE % version)

    check(answer, int(answer.split()[1]))
