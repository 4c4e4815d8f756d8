"""A WebSocket client that sees each frame as it is on the wire, and reads and writes only when it is told to."""

import asyncio
import os
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from tests.support.deadline import DEADLINE

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
CHUNK = 65_536
REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{headers}\r\n"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as it came: its header was as short as it can be, and not masked."""

    opcode: int
    payload: bytes
    final: bool = True

    @property
    def code(self) -> int:
        """The code of a Close frame."""
        code: int = struct.unpack("!H", self.payload[:2])[0]
        return code


class RawClient:
    """
    A client's connection.

    Args:
        connection: Connected, and not blocking.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = bytearray()

    @classmethod
    async def connect(
        cls,
        port: int,
        path: str = "/",
        *,
        receives: int = 0,
        first: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> "RawClient":
        """
        Connect to loopback and upgrade.

        Args:
            port: Of the server.
            path: What to ask for.
            receives: Bytes that the kernel may keep for us unread; 0 is its own choice.
            first: What to write at once, without waiting for the upgrade.
            headers: Others of the request.
        """
        connection = socket.socket()
        connection.settimeout(0)
        if receives:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        client = cls(connection)
        async with asyncio.timeout(DEADLINE):
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
            others = "".join(f"{name}: {text}\r\n" for name, text in (headers or {}).items())
            await client.write(REQUEST.format(path=path, headers=others).encode() + first)
            answer = await client._read_until(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        return client

    async def write(self, data: bytes) -> None:
        """Write bytes."""
        async with asyncio.timeout(DEADLINE):
            await asyncio.get_running_loop().sock_sendall(self._connection, data)

    async def send(self, payload: bytes, opcode: int = TEXT, *, final: bool = True) -> None:
        """Write a frame."""
        await self.write(masked(payload, opcode, final=final))

    async def frame(self) -> Frame:
        """Read the next frame."""
        first, second = await self._read(2)
        assert not second & 0x80
        size = second & 0x7F
        if size == 126:
            size = struct.unpack("!H", await self._read(2))[0]
            assert size >= 126
        elif size == 127:
            size = struct.unpack("!Q", await self._read(8))[0]
            assert size >= 65_536
        return Frame(first & 0x0F, await self._read(size), bool(first & 0x80))

    def take(self) -> None:
        """Make room in the kernel's buffers, without giving anybody else a turn."""
        with suppress(BlockingIOError):
            while chunk := self._connection.recv(CHUNK):
                self._received += chunk

    async def rest(self) -> bytes:
        """Read until the server ends the connection; a reset ends it too."""
        async with asyncio.timeout(DEADLINE):
            while await self._receive():
                pass
        return bytes(self._received)

    async def head(self) -> bytes:
        """Read the head of an answer, up to the empty line."""
        async with asyncio.timeout(DEADLINE):
            return await self._read_until(b"\r\n\r\n")

    def end_writing(self) -> None:
        """Send nothing more, and go on reading."""
        self._connection.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection off, as a peer does that is no longer there."""
        linger = struct.pack("ii", 1, 0)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._connection.close()

    def close(self) -> None:
        """Leave, without a word."""
        self._connection.close()

    async def _read(self, size: int) -> bytes:
        async with asyncio.timeout(DEADLINE):
            while len(self._received) < size:
                if not await self._receive():
                    raise EOFError(bytes(self._received))
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    async def _read_until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            assert await self._receive()
        return await self._read(self._received.index(mark) + len(mark))

    async def _receive(self) -> bool:
        try:
            chunk = await asyncio.get_running_loop().sock_recv(self._connection, CHUNK)
        except ConnectionResetError:
            return False
        self._received += chunk
        return bool(chunk)


def masked(payload: bytes, opcode: int = TEXT, *, final: bool = True) -> bytes:
    """Compose a frame as clients must (RFC 6455, 5.3)."""
    size, mask = len(payload), os.urandom(4)
    first = (0x80 if final else 0) | opcode
    if size < 126:
        header = struct.pack("!BB", first, 0x80 | size)
    elif size < 65_536:
        header = struct.pack("!BBH", first, 0x80 | 126, size)
    else:
        header = struct.pack("!BBQ", first, 0x80 | 127, size)
    repeated = (mask * (size // 4 + 1))[:size]
    body = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return header + mask + body.to_bytes(size, "big")
