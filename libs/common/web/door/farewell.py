"""
The end of a connection that we end: what was written last arrives, and nobody is waited for long.

A connection that is closed while there is something to read is reset, and what was written last is
lost (RFC 9112, 9.6); so what the peer still sends is read, and dropped.
"""

import asyncio

from libs.common.web.door.door import Door

LINGER = 5.0  # Seconds that a peer has to take what was written last, and to end its side.
MOST_DROPPED = 1 << 20  # Bytes that it may still send.


class Farewell(asyncio.Protocol):
    """
    A peer that is served no more.

    Args:
        door: Whose visitor it was.
        transport: Its connection.
    """

    __slots__ = ("_door", "_dropped", "_transport")

    def __init__(self, door: Door, transport: asyncio.Transport) -> None:
        self._door = door
        self._transport = transport
        self._dropped = 0

    def say(self, last: bytes, *, has_ended: bool) -> None:
        """
        Write what is written last, and end our side of the connection.

        Args:
            last: What that is; perhaps nothing.
            has_ended: Whether the peer has ended its own.
        """
        self._transport.set_protocol(self)
        self._door.expect(self, LINGER)
        self._transport.write(last)
        if has_ended or not self._transport.can_write_eof():
            self._transport.close()  # TLS ends both sides at once, and reads what comes meanwhile.
            return
        self._transport.write_eof()
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Drop what comes."""
        self._dropped += len(data)
        if self._dropped > MOST_DROPPED:
            self.leave()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls with it.
        """Forget it."""
        self._door.forget(self)
        let_go(self._transport)

    def overdue(self) -> None:
        """End the connection, whatever the peer has read."""
        self.leave()

    def leave(self) -> None:
        """End the connection at once."""
        self._door.forget(self)
        self._transport.abort()


def let_go(transport: asyncio.BaseTransport) -> None:
    """
    Let a transport that is closed leave memory as soon as it has ended.

    It keeps what it calls when there is something to read, which is a method of its own: a circle,
    for which the collector would have to walk all other connections.
    """
    vars(transport).pop("_read_ready_cb", None)
