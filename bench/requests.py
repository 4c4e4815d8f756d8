"""As much of HTTP as measuring needs: requests and answers on a connection that stays."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec

from bench.websocket import Unexpected

TOGETHER = 100  # Connections that are opened at the same time.
_LENGTH = b"content-length: "
_REFUSED = b'"error"'  # Of a channel, in an answer about several.


class Line:
    """
    A connection to a server on loopback.

    Args:
        reader: The reading side of the connection.
        writer: The writing side of the connection.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def granted(self, request: bytes) -> None:
        """
        Send a request, and wait for its answer.

        Raises:
            Unexpected: The answer is not 200, or refuses something.
        """
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        _, _, after = head.lower().partition(_LENGTH)
        body = await self._reader.readexactly(int(after.split(b"\r\n", 1)[0] or b"0"))
        if not head.startswith(b"HTTP/1.1 200 ") or _REFUSED in body:
            raise Unexpected(f"the answer is {head[:60]!r} {body[:200]!r}")

    def abort(self) -> None:
        """End it."""
        self._writer.transport.abort()


@asynccontextmanager
async def opened(port: int, count: int) -> AsyncIterator[list[Line]]:
    """Open so many connections, and abort them in the end."""
    async with AsyncExitStack() as stack:
        lines: list[Line] = []
        for start in range(0, count, TOGETHER):
            number = min(TOGETHER, count - start)
            opening = (asyncio.open_connection("127.0.0.1", port) for _ in range(number))
            for reader, writer in await asyncio.gather(*opening):
                lines.append(Line(reader, writer))
                stack.callback(lines[-1].abort)
        yield lines


def post(path: str, authorization: str, fields: Mapping[str, Any]) -> bytes:
    """Compose a request that posts JSON."""
    body = msgspec.json.encode(fields)
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: {authorization}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*lines, "", "")).encode() + body
