"""
Clients that come: so many are on their way at the same time, and the next comes when one is there.

It costs as little as it can: what is measured is the server.
"""

import select
import socket
import ssl
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from bench import websocket
from bench.deployment import APP
from bench.websocket import Decoder, Unexpected

HOST = "127.0.0.1"
TIMEOUT = 20.0  # Seconds that an answer may take.
BUFFER = 65_536


class Newcomer:
    """
    A client that connects, is greeted and subscribes.

    Args:
        port: Of the gateway, on loopback.
        channels: To which it subscribes; to private ones with a signature.
        tls: How it uses TLS; None: it does not.
    """

    def __init__(
        self, port: int, channels: Sequence[str], *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.socket = socket.create_connection((HOST, port), TIMEOUT)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=HOST)
        self._channels = channels
        self._left = len(channels)
        self._greeted = False
        self._decoder = Decoder()
        self.socket.sendall(websocket.upgrade(APP.key))

    @property
    def is_there(self) -> bool:
        """Whether it is greeted, and subscribed to all its channels."""
        return self._greeted and not self._left

    def read(self) -> None:
        """
        Take what has come, and answer.

        Raises:
            Unexpected: It is not what comes next.
        """
        for payload in self._decoder.feed(self.socket.recv(BUFFER)):
            if self._greeted:
                websocket.expect(payload, "pusher_internal:subscription_succeeded")
                self._left -= 1
            else:
                self._greet(websocket.expect(payload, "pusher:connection_established"))

    def _greet(self, greeting: bytes) -> None:
        self._greeted = True
        if self._channels:
            self.socket.sendall(b"".join(_subscribe(greeting, name) for name in self._channels))


def _subscribe(greeting: bytes, channel: str) -> bytes:
    if channel.startswith("private-"):
        return websocket.subscribe_private(APP, greeting, channel)
    return websocket.subscribe(channel)


def arrivals(
    port: int,
    wishes: Iterable[Sequence[str]],
    *,
    at_once: int,
    tls: ssl.SSLContext | None = None,
) -> Iterator[socket.socket]:
    """
    Bring clients in.

    Args:
        port: Of the gateway.
        wishes: The channels of each.
        at_once: How many are on their way at the same time.
        tls: How they use TLS, and shake hands one after the other; None: they do not.

    Yields:
        The connection of each when it is there.

    Raises:
        Unexpected: The server says something else than it should, or nothing.
    """
    waiting = deque(wishes)
    coming: dict[int, Newcomer] = {}
    with select.epoll() as poll:
        while waiting or coming:
            while waiting and len(coming) < at_once:
                newcomer = Newcomer(port, waiting.popleft(), tls=tls)
                coming[newcomer.socket.fileno()] = newcomer
                poll.register(newcomer.socket, select.EPOLLIN)
            ready = poll.poll(TIMEOUT)
            if not ready:
                raise Unexpected(f"{len(coming)} clients wait for an answer")
            for number, _ in ready:
                coming[number].read()
                if coming[number].is_there:
                    poll.unregister(number)
                    yield coming.pop(number).socket
