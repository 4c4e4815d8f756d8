"""
Back ends that publish over HTTP, in one process and as cheaply as can be.

    python -m bench.load.publishers PORT

reads orders from its standard input and answers each with a line, ``done NUMBER``:

    prepare EVENTS BATCH CHANNELS PREFIX
                compose and sign requests for so many events, so many in each, in turn to the
                channels PREFIX00000, PREFIX00001, ...
    go          post them on all connections together, each with one request under way: the
                microseconds until all are answered
    pace RATE   post them, so many a second and one after the other

It ends with its input.  Connections stay open; those that the server has ended, since nothing was
posted for a while, are opened again before requests are prepared.
"""

import select
import socket
import sys
import time
from collections import deque
from itertools import cycle

from bench.load.newcomers import BUFFER, TIMEOUT
from bench.load.orders import serve
from bench.load.posts import posts
from bench.load.seats import channel_names
from bench.websocket import Unexpected

CONNECTIONS = 16
_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Publisher:
    """
    A connection to the dispatcher.

    Args:
        port: On loopback.
    """

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self._buffer = b""

    @property
    def has_ended(self) -> bool:
        """Whether the server has ended the connection, between two answers: else it is silent."""
        ready, _, _ = select.select([self.socket], [], [], 0)
        return bool(ready)

    def send(self, request: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """
        Take what has come, and tell whether that is the whole answer.

        Raises:
            Unexpected: The connection has ended, or the answer is not 200.
        """
        taken = self.socket.recv(BUFFER)
        self._buffer += taken
        head, end, body = self._buffer.partition(_END)
        if not taken or (end and not head.startswith(b"HTTP/1.1 200 ")):
            raise Unexpected(f"a publish is answered {self._buffer[:300]!r}")
        if not end or len(body) < _length(head):
            return False
        self._buffer = b""
        return True


def _length(head: bytes) -> int:
    _, _, after = head.lower().partition(_LENGTH)
    return int(after.split(b"\r\n", 1)[0] or b"0")


class Publishers:
    """
    All connections of this process.

    Args:
        port: Of the dispatcher, on loopback.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._publishers: dict[int, Publisher] = {}
        self._poll = select.epoll()
        self._requests: deque[bytes] = deque()

    def obey(self, order: str) -> int:
        """Do what a line of input says."""
        match order.split():
            case ["prepare", count, batch, channels, prefix]:
                self._connect()
                names = channel_names(prefix, int(channels))
                now = int(time.time())
                self._requests += posts(names, int(count), batch=int(batch), now=now)
                return len(self._requests)
            case ["go"]:
                began = time.monotonic()
                self._go()
                return round((time.monotonic() - began) * 1e6)
            case ["pace", rate]:
                self._pace(float(rate))
                return 0
            case _:
                raise ValueError(f"what is {order!r}?")

    def _connect(self) -> None:
        """Open all connections that are not open."""
        for number, publisher in [*self._publishers.items()]:
            if publisher.has_ended:
                self._poll.unregister(number)
                self._publishers.pop(number).socket.close()
        while len(self._publishers) < CONNECTIONS:
            publisher = Publisher(self._port)
            self._publishers[publisher.socket.fileno()] = publisher
            self._poll.register(publisher.socket, select.EPOLLIN)

    def _go(self) -> None:
        under_way = 0
        for each in self._publishers.values():
            under_way += self._send_next(each)
        while under_way:
            ready = self._poll.poll(TIMEOUT)
            if not ready:
                raise Unexpected(f"{under_way} requests wait for an answer")
            for number, _ in ready:
                if self._publishers[number].is_answered():
                    under_way += self._send_next(self._publishers[number]) - 1

    def _pace(self, rate: float) -> None:
        began, count = time.monotonic(), len(self._requests)
        turns = cycle(self._publishers.values())
        for number, publisher in zip(range(count), turns, strict=False):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            self._send_next(publisher)
            while not publisher.is_answered():
                pass

    def _send_next(self, publisher: Publisher) -> int:
        """Send what comes next, if there is something; return how many were sent."""
        if not self._requests:
            return 0
        publisher.send(self._requests.popleft())
        return 1


def main() -> None:
    """Obey until the input ends."""
    serve("publishers", Publishers(int(sys.argv[1])).obey)


if __name__ == "__main__":
    main()
