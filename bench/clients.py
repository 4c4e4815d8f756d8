"""
Very many clients in one process: opened on demand, then drained as cheaply as can be.

    python -m bench.clients PORT KEY [CA]

reads orders from its standard input and answers each with a line, ``done BYTES``:

    connect COUNT            open plain TCP connections
    upgrade COUNT            open WebSockets, and wait until each is greeted
    subscribe COUNT CHANNEL  the same, and subscribe each to a channel
    spread COUNT PREFIX      the same, each to a channel of its own: PREFIX0, PREFIX1, ...
    arrive COUNT AT_ONCE PREFIX
                             the same, so many on their way at the same time, with signatures
                             where they are needed: PREFIX00000, PREFIX00001, ...
    seat CHANNELS SUBSCRIBERS CONNECTIONS AT_ONCE PREFIX
                             likewise, so that each of the channels has so many subscribers
    churn SECONDS RATE PREFIX
                             for so long have so many come a second as for ``arrive``, and go
    ping SIZE                have each ask whether it is heard; the answers have SIZE bytes each
    receive BYTES            take that many bytes from all connections together

It ends with its input.  With the certificate of an authority those who arrive use TLS.  The
yardstick and the gateway are measured with the same clients.
"""

import contextlib
import select
import socket
import ssl
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

from bench import websocket
from bench.load.churning import churn
from bench.load.newcomers import arrivals
from bench.load.orders import serve
from bench.load.seats import channel_names, seats
from bench.websocket import Decoder, Unexpected

TOGETHER = 100  # Connections that are opened at the same time.
TIMEOUT = 20.0  # Seconds that anything may take.


class Client:
    """A connection that is being opened, read and written one step after the other."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self._decoder = Decoder()

    def send(self, data: bytes) -> None:
        """Write all of it."""
        self.socket.sendall(data)

    def expect(self, event: str) -> bytes:
        """Wait for a message, which must be this event."""
        while not (payloads := self._decoder.feed(self.socket.recv(4096))):
            pass
        if len(payloads) != 1:
            raise Unexpected(f"expected {event} alone, received {payloads!r}")
        return websocket.expect(payloads[0], event)


class Crowd:
    """
    All connections of this process.

    Args:
        port: Of the server, on loopback.
        key: The key of the app.
        tls: How those who arrive use TLS; None: they do not.
    """

    def __init__(self, port: int, key: str, *, tls: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._key = key
        self._tls = tls
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._buffer = bytearray(65_536)

    def obey(self, order: str) -> int:
        """Do what a line of input says, and return how many bytes were received."""
        match order.split():
            case ["connect", count]:
                self._keep(client for clients in self._opened(int(count)) for client in clients)
            case ["upgrade", count]:
                self._keep(self._upgraded(int(count)))
            case ["subscribe", count, channel]:
                self._keep(self._subscribed(repeat(channel, int(count))))
            case ["spread", count, prefix]:
                names = [f"{prefix}{number}" for number in range(int(count))]
                self._keep(self._subscribed(names))
            case ["arrive", count, at_once, prefix]:
                wishes = [[name] for name in channel_names(prefix, int(count))]
                self._arrive(wishes, int(at_once))
            case ["seat", channels, subscribers, connections, at_once, prefix]:
                names = channel_names(prefix, int(channels))
                wishes = seats(names, int(subscribers), connections=int(connections))
                self._arrive(wishes, int(at_once))
            case ["churn", seconds, rate, prefix]:
                churn(self._port, seconds=float(seconds), rate=int(rate), prefix=prefix)
            case ["ping", size]:
                return self._ping(int(size))
            case ["receive", size]:
                return self._receive(int(size))
            case _:
                raise ValueError(f"what is {order!r}?")
        return 0

    def _opened(self, count: int) -> Iterator[list[Client]]:
        for start in range(0, count, TOGETHER):
            yield [Client(self._port) for _ in range(min(TOGETHER, count - start))]

    def _upgraded(self, count: int) -> Iterator[Client]:
        for clients in self._opened(count):
            self._upgrade(clients)
            yield from clients

    def _subscribed(self, channels: Iterable[str]) -> Iterator[Client]:
        frames = [websocket.subscribe(channel) for channel in channels]
        for start in range(0, len(frames), TOGETHER):
            few = frames[start : start + TOGETHER]
            clients = [Client(self._port) for _ in few]
            self._upgrade(clients)
            for client, frame in zip(clients, few, strict=True):
                client.send(frame)
            for client in clients:
                client.expect("pusher_internal:subscription_succeeded")
            yield from clients

    def _upgrade(self, clients: list[Client]) -> None:
        for client in clients:
            client.send(websocket.upgrade(self._key))
        for client in clients:
            client.expect("pusher:connection_established")

    def _keep(self, clients: Iterable[Client]) -> None:
        self._keep_sockets(client.socket for client in clients)

    def _arrive(self, wishes: Sequence[Sequence[str]], at_once: int) -> None:
        self._keep_sockets(arrivals(self._port, wishes, at_once=at_once, tls=self._tls))

    def _keep_sockets(self, connections: Iterable[socket.socket]) -> None:
        for each in connections:
            each.settimeout(0)
            self._sockets[each.fileno()] = each
            self._poll.register(each, select.EPOLLIN)

    def _ping(self, size: int) -> int:
        for each in self._sockets.values():
            each.sendall(websocket.PING)
        return self._receive(size * len(self._sockets))

    def _receive(self, size: int) -> int:
        received = 0
        while received < size:
            ready = self._poll.poll(TIMEOUT)
            if not ready:
                raise Unexpected(f"received {received} bytes and no more, expected {size}")
            for number, _ in ready:
                received += self._take(self._sockets[number])
        return received

    def _take(self, connection: socket.socket) -> int:
        with contextlib.suppress(BlockingIOError):
            if taken := connection.recv_into(self._buffer):
                return taken
            raise Unexpected("the server ended a connection")
        return 0


def main() -> None:
    """Obey until the input ends."""
    port, key, *ca = sys.argv[1:]
    tls = ssl.create_default_context(cafile=ca[0]) if ca else None
    crowd = Crowd(int(port), key, tls=tls)
    serve("clients", crowd.obey)


if __name__ == "__main__":
    main()
