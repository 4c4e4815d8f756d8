"""Clients that were upgraded, and are not served: not yet, or not at all."""

import asyncio
from collections.abc import Callable

from libs.common.web.door.farewell import let_go
from libs.common.web.door.short_request import ShortRequest
from services.gateway.connections.socket import Socket
from services.gateway.protocol.reader import CLOSE, FrameReader, Violation
from services.gateway.quotas.limiter import Entering

MOST = 64 * 1024  # Bytes of a message that is dropped.
# Messages of a refused client that are dropped: it may have sent that it subscribes to its channels
# before it was told.
MOST_DROPPED = 512


class Newcomer(asyncio.Protocol):
    """
    A client until it is known whether it may stay; it is not read from while that takes time.

    Args:
        request: By which it came.
        socket: The writing side of its connection.
        answer: Says that it is upgraded; it is written with what it is told first, if it need not
            wait for that.
        rest: What it has sent since.

    Attributes:
        request: The same.
        socket: The same.
        rest: The same, and what came until it was paused.
        is_gone: Whether it has gone meanwhile.
    """

    __slots__ = ("_answer", "_entering", "_is_paused", "is_gone", "request", "rest", "socket")

    def __init__(
        self, request: ShortRequest, socket: Socket, *, answer: bytes, rest: bytes
    ) -> None:
        self._answer = answer
        self.request = request
        self.socket = socket
        self.rest = rest
        self.is_gone = False
        self._is_paused = False
        self._entering: Entering | None = None

    def pause(self) -> None:
        """Read nothing more of it for now, and let it know that it is upgraded."""
        self.socket.write(self.upgrade())
        if not self._is_paused and not self.socket.transport.is_closing():
            self._is_paused = True
            self.socket.transport.pause_reading()

    def upgrade(self) -> bytes:
        """Return what says that it is upgraded, the first time: it is written once."""
        answer, self._answer = self._answer, b""
        return answer

    def wait_for(self, entering: Entering) -> None:
        """Wait for room, unless the client goes."""
        self._entering = entering
        self.pause()

    def data_received(self, data: bytes) -> None:
        """Keep what was read before it was paused."""
        self.rest += data

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls with it.
        """Wait for room no longer."""
        self.is_gone = True
        if self._entering is not None:
            self._entering.cancel()
        let_go(self.socket.transport)

    def become(self, protocol: asyncio.BaseProtocol) -> None:
        """Leave the connection to what serves it."""
        transport = self.socket.transport
        transport.set_protocol(protocol)
        if self._is_paused and not transport.is_closing():
            transport.resume_reading()


class Parting(asyncio.Protocol):
    """
    A client that was refused, until it has gone.

    What it still says is read, and dropped: a connection that is closed while there is something to
    read is reset, and what was written last is lost (RFC 9293, 3.6), such as why it was refused.
    That befalls one that sends more than anybody needs to.

    Args:
        socket: The writing side of its connection, with its Close frame written.
        gone: Called once when the client has answered that, or is gone.
    """

    __slots__ = ("_gone", "_left", "_reader", "socket")

    def __init__(self, socket: Socket, gone: Callable[["Parting"], None]) -> None:
        self.socket = socket
        self._gone: Callable[[Parting], None] | None = gone
        self._reader = FrameReader(MOST)
        self._left = MOST_DROPPED

    def data_received(self, data: bytes) -> None:
        """Look for its Close frame."""
        if self._gone is None:
            return
        self._reader.feed(data)
        try:
            while (message := self._reader.next()) is not None:
                self._left -= 1
                if message.opcode == CLOSE or self._left < 0:
                    self._end()
                    return
        except Violation:
            self._end()

    def eof_received(self) -> None:
        """It says no more."""
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls with it.
        """It is gone."""
        self._end()
        let_go(self.socket.transport)

    def _end(self) -> None:
        if self._gone is not None:
            gone, self._gone = self._gone, None
            gone(self)
            self.socket.finish()
