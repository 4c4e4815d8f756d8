"""One client's connection, awaited."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from bench import websocket
from bench.websocket import Decoder


class Stream:
    """
    A connection to a gateway on loopback.

    Args:
        reader: The reading side of the connection.
        writer: The writing side of the connection.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder()
        self._waiting: deque[bytes] = deque()

    @classmethod
    @asynccontextmanager
    async def connected(cls, port: int) -> AsyncIterator[Self]:
        """Connect, and abort the connection in the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    def write(self, data: bytes) -> None:
        """Write without waiting; what is written here is short."""
        self._writer.write(data)

    async def read(self) -> bytes:
        """Wait for a message."""
        while not self._waiting:
            self._waiting.extend(self._decoder.feed(await self._reader.read(65_536)))
        return self._waiting.popleft()

    async def expect(self, event: str) -> bytes:
        """Wait for a message, which must be this event."""
        return websocket.expect(await self.read(), event)
