"""
The one place that writes to a client's transport: straight writes, bounds, close, abort.

A WebSocket frame is composed once and the same bytes are written to every subscriber's transport,
without an await.  Each write is a run of whole frames.  What this relies on of asyncio's transports
is pinned by tests/service/gateway/connections/test_socket.py.
"""

import asyncio
import os
import struct
from collections.abc import Iterable

from services.gateway.memory.holdings import UNBOUNDED, Holdings
from services.gateway.protocol.limits import OVER_CAPACITY
from services.gateway.timers import TIMERS, Timers

TOO_SLOW = (OVER_CAPACITY, "too slow: the write buffer is full")
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
FINAL = 0x80


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Put a WebSocket header before a payload (RFC 6455, 5.2; a server does not mask)."""
    size = len(payload)
    if size < 126:
        return bytes((FINAL | opcode, size)) + payload
    if size < 65536:
        return struct.pack("!BBH", FINAL | opcode, 126, size) + payload
    return struct.pack("!BBQ", FINAL | opcode, 127, size) + payload


def join(payloads: Iterable[bytes]) -> bytes:
    """Put several text frames into one write."""
    return b"".join(map(frame, payloads))


def write_all(sockets: Iterable["Socket"], data: bytes) -> None:
    """
    Write whole frames to many connections without waiting; see `Socket.write`.

    Where nothing waits before them they go straight to the kernel: what a transport does beside
    would make one event for thousands a fifth dearer (docs/benchmarks.md).
    """
    write, size = os.write, len(data)
    for socket in sockets:
        if socket.straight < 0 or socket.transport.is_closing():
            socket.write(data)
            continue
        try:
            written = write(socket.straight, data)
        except OSError:  # The transport will meet the same, and deal with it.
            written = 0
        if written < size:
            socket.write(data[written:])


def _shortened(reason: str) -> bytes:
    """Fit a reason into a Close frame; half a character would be a protocol error to clients."""
    return reason.encode()[:123].decode(errors="ignore").encode()


def _unsent(transport: asyncio.Transport) -> int:
    """Count the bytes that wait."""
    try:
        return transport.get_write_buffer_size()
    except (
        AttributeError
    ):  # An asyncio transport with TLS has lost its buffer once it is closed twice.
        return 0


def _abort(transport: asyncio.Transport) -> None:
    """Abort a transport, unless it has ended by itself: aborted after that, asyncio's fails."""
    if not transport.is_closing() or _unsent(transport) > 0:
        transport.abort()


def _descriptor(transport: asyncio.Transport) -> int:
    if transport.get_extra_info("sslcontext") is not None:
        return -1
    descriptor: int = transport.get_extra_info("socket").fileno()
    return descriptor


class Socket:
    """
    The writing side of one connection.

    Args:
        transport: The transport of the upgraded connection.
        max_unsent: Bytes that may wait in the write buffer; one that has more when the next frame
            comes is too slow and is closed (4100), so that it may return.
        timers: How long a closing connection has to take what is left.
        holdings: Counts what is kept for all clients.

    Attributes:
        max_unsent: The same.
        holdings: The same.
        transport: The transport of the upgraded connection.
        straight: The file descriptor, while bytes may pass the transport by: none wait in it, it is
            not to encrypt them, nothing is held, and no Close frame was written.  Else -1.  It is
            valid until the transport closes.
        closed_with: The code and the reason that it was closed with.
    """

    __slots__ = (
        "_aborting",
        "_descriptor",
        "_held",
        "_timers",
        "closed_with",
        "holdings",
        "max_unsent",
        "straight",
        "transport",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        *,
        max_unsent: int,
        timers: Timers = TIMERS,
        holdings: Holdings = UNBOUNDED,
    ) -> None:
        self.transport = transport
        self.straight = -1
        self._descriptor = _descriptor(transport)
        self.max_unsent = max_unsent
        self.holdings = holdings
        self._timers = timers
        self._aborting: asyncio.TimerHandle | None = None
        self._held: tuple[bytearray, ...] = ()  # One for each `hold`; mostly there are none.
        self.closed_with: tuple[int, str] | None = None

    @property
    def unsent(self) -> int:
        """How many bytes wait: in the write buffer, or because they are held."""
        if self.straight >= 0:  # Nothing waits: quick, as all are asked for each scrape.
            return 0
        return _unsent(self.transport) + sum(map(len, self._held))

    def write(self, data: bytes) -> bool:
        """
        Write whole frames without waiting.

        Returns:
            Whether they were taken: not by a connection that is closing, nor by one that is too
            slow, which this closes.
        """
        transport = self.transport
        if self.closed_with is not None or transport.is_closing():
            return False
        waiting = transport.get_write_buffer_size()
        if self._held:
            waiting += len(self._held[-1])
        if waiting > self.max_unsent:
            self.close(*TOO_SLOW)
            return False
        if self._held:
            self._held[-1].extend(data)
        else:
            self._pass_on(data)
        return True

    def _pass_on(self, data: bytes | bytearray) -> None:
        self.transport.write(data)
        is_free = not self._held and not self.transport.get_write_buffer_size()
        self.straight = self._descriptor if is_free else -1
        if not is_free:
            self.holdings.add(len(data))

    def hold(self) -> None:
        """Hold what is written from now on, until as many calls of `release` as of this."""
        self._held += (bytearray(),)
        self.straight = -1

    def release(self) -> None:
        """Write what was held since the first `hold` that was not released, up to the next one."""
        if not self._held:  # It was closed, which writes all that is held.
            return
        data, *others = self._held
        self._held = tuple(others)
        if self.closed_with is None and not self.transport.is_closing():
            self._pass_on(data)

    def _release_all(self) -> None:
        while self._held:
            self.release()

    def send(self, payload: bytes) -> bool:
        """Write one text frame; see `write`."""
        return self.write(frame(payload))

    def ping(self) -> bool:
        """Write a ping; see `write`."""
        return self.write(frame(b"", PING))

    def pong(self, payload: bytes) -> bool:
        """Answer a ping; see `write`."""
        return self.write(frame(payload, PONG))

    def close(self, code: int, reason: str) -> None:
        """Write a Close frame as the last; the connection is aborted if it does not end in time."""
        if self.closed_with is not None:
            return
        self._release_all()
        self.closed_with = (code, reason)
        self.straight = -1
        if not self.transport.is_closing():
            payload = struct.pack("!H", code) + _shortened(reason)
            self.transport.write(frame(payload, CLOSE))
            self._abort_later()
        elif _unsent(self.transport) > 0:
            # The peer has ended its side, and may read no more.
            self._abort_later()

    def finish(self) -> None:
        """End the connection once its reader has ended; what is buffered is still sent."""
        self._release_all()
        if _unsent(self.transport) > 0:
            self._abort_later()
        elif self._aborting is not None:
            self._aborting.cancel()
        self.transport.close()

    def _abort_later(self) -> None:
        if self._aborting is None:
            loop = asyncio.get_running_loop()
            self._aborting = loop.call_later(self._timers.closing, _abort, self.transport)
