"""
A TCP proxy that cuts clients off, for a while altogether, or so that subscribers are deaf.

The connections of the deaf stay healthy, and nothing comes through.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

CHUNK = 65_536


class Muffler:
    """
    A proxy before a server.

    Attributes:
        url: Where to connect in the server's place.
    """

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._lines: list[_Line] = []
        self._is_severed = False
        self.url = ""

    async def open(self) -> None:
        """Begin to accept connections."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}{self._target.path}"

    def muffle(self) -> None:
        """Let nothing reach those who are subscribed now."""
        for line in self._lines:
            line.is_muffled = line.is_subscriber

    def sever(self) -> None:
        """Cut all connections, and all that come, until `mend`."""
        self._is_severed = True
        for line in self._lines:
            line.cut()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_severed = False

    async def close(self) -> None:
        """Cut all connections and accept no more."""
        assert self._server is not None
        self._server.close()
        self.sever()
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_severed:
            writer.close()
            return
        line = _Line(writer)
        self._lines.append(line)
        with suppress(OSError):
            await line.connect(self._target.hostname or "", self._target.port or 0)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(line.carry_commands(reader))
                tasks.create_task(line.carry_replies())
        line.cut()


class _Line:
    """One client's connection, and the one to the server behind it."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self._client = client
        self._replies: asyncio.StreamReader
        self._server: asyncio.StreamWriter
        self.is_subscriber = False
        self.is_muffled = False

    async def connect(self, host: str, port: int) -> None:
        self._replies, self._server = await asyncio.open_connection(host, port)

    async def carry_commands(self, commands: asyncio.StreamReader) -> None:
        while chunk := await commands.read(CHUNK):
            self.is_subscriber = self.is_subscriber or b"SUBSCRIBE" in chunk
            self._server.write(chunk)
        self.cut()

    async def carry_replies(self) -> None:
        while chunk := await self._replies.read(CHUNK):
            if not self.is_muffled:
                self._client.write(chunk)
        self.cut()

    def cut(self) -> None:
        self._client.close()
        self._server.close()


@asynccontextmanager
async def muffled(url: str) -> AsyncIterator[Muffler]:
    """Run a muffler before the server with this URL."""
    muffler = Muffler(url)
    await muffler.open()
    try:
        yield muffler
    finally:
        await muffler.close()
