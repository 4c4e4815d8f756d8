"""
Very many members of presence channels in one process, who join all at once.

    python -m bench.members PORT

reads orders from its standard input and answers each with a line, ``done NUMBER``:

    meet COUNT      open WebSockets for so many users; those of the order before go
    join SIZE NAME [USER [MS]]
                    have them join channels of SIZE members, called presence-NAME.0,
                    presence-NAME.1, ..., as user-0, user-1, ..., or as USER-0, ..., all
                    at once or so many milliseconds after one another: the microseconds from the
                    first request until all were answered; it is done when nothing more is said
                    to them
    type ROUNDS MS  have them say in each of so many rounds, which begin so many milliseconds
                    after one another, that they type: the lists that they were told

It ends with its input.
"""

import select
import socket
import sys
import time
from collections.abc import Iterable

from bench import websocket
from bench.clients import TIMEOUT, Client
from bench.deployment import APP
from bench.load.orders import serve
from bench.websocket import Unexpected

GREETING = "pusher:connection_established"
ANSWER = b"pusher_internal:subscription_succeeded"
LIST = b'"fanfare:typing"'
BUFFER = 262_144
QUIET = 0.2  # Seconds in which nothing comes, when all has been said.


class Members:
    """
    All connections of this process.

    Args:
        port: Of the gateway, on loopback.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._clients: list[Client] = []
        self._greetings: list[bytes] = []
        self._channels: list[str] = []

    def obey(self, order: str) -> int:
        """Do what a line of input says, and return how many microseconds it took."""
        match order.split():
            case ["meet", count]:
                self._meet(int(count))
                return 0
            case ["join", size, name, *user]:
                return round(self._join(int(size), name, *user) * 1e6)
            case ["type", rounds, period]:
                return self._type(int(rounds), int(period) / 1000)
            case _:
                raise ValueError(f"what is {order!r}?")

    def _meet(self, count: int) -> None:
        for client in self._clients:
            client.socket.close()
        self._clients = [Client(self._port) for _ in range(count)]
        for client in self._clients:
            client.send(websocket.upgrade(APP.key))
        self._greetings = [client.expect(GREETING) for client in self._clients]

    def _join(self, size: int, name: str, user: str = "user", pace: str = "0") -> float:
        numbers = range(len(self._clients))
        self._channels = [f"presence-{name}.{number // size}" for number in numbers]
        requests = [
            websocket.subscribe_presence(APP, greeting, channel, user_id=f"{user}-{number}")
            for number, greeting, channel in zip(
                numbers, self._greetings, self._channels, strict=True
            )
        ]
        began, seconds = time.monotonic(), float(pace) / 1000
        for number, client, request in zip(numbers, self._clients, requests, strict=True):
            if seconds:
                time.sleep(max(0.0, began + number * seconds - time.monotonic()))
            client.send(request)
        answered_at = _answered(client.socket for client in self._clients)
        return answered_at - began

    def _type(self, rounds: int, period: float) -> int:
        words = [websocket.client_event(each, "client-typing") for each in self._channels]
        lists, due = 0, time.monotonic()
        for _ in range(rounds):
            for client, word in zip(self._clients, words, strict=True):
                client.send(word)
            due += period
            lists += _heard((client.socket for client in self._clients), LIST, until=due)
        return lists


def _heard(sockets: Iterable[socket.socket], word: bytes, *, until: float) -> int:
    """Read from all until it is time; return how often a word came, whole, in one reading."""
    known, poll, found = {each.fileno(): each for each in sockets}, select.epoll(), 0
    for number in known:
        poll.register(number, select.EPOLLIN)
    while (left := until - time.monotonic()) > 0:
        for number, _ in poll.poll(left):
            heard = known[number].recv(BUFFER)
            if not heard:
                raise Unexpected("the server ended a connection")
            found += heard.count(word)
    poll.close()
    return found


def _answered(sockets: Iterable[socket.socket]) -> float:
    """Read from all until nothing comes; return when the last of them had its answer."""
    waiting = {each.fileno(): each for each in sockets}
    poll = select.epoll()
    for number, each in waiting.items():
        each.settimeout(0)
        poll.register(number, select.EPOLLIN)
    tails, answered_at = dict.fromkeys(waiting, b""), 0.0
    while ready := poll.poll(TIMEOUT if tails else QUIET):
        for number, _ in ready:
            heard = waiting[number].recv(BUFFER)
            if not heard:
                raise Unexpected("the server ended a connection")
            if number in tails:
                heard = tails[number] + heard
                tails[number] = heard[-len(ANSWER) :]
                if ANSWER in heard:
                    del tails[number]
                    answered_at = time.monotonic()
    if tails:
        raise Unexpected(f"{len(tails)} members wait for an answer")
    return answered_at


def main() -> None:
    """Obey until the input ends."""
    members = Members(int(sys.argv[1]))
    serve("members", members.obey)


if __name__ == "__main__":
    main()
