"""
Clients that want others to wait, in one process.

    python -m bench.load.attackers PORT

reads orders from its standard input and answers each with a line, ``done NUMBER``:

    flood SECONDS           one connection sends empty pongs, which nobody answers, as fast as it
                            can; where it is ended another comes: how many came
    burst CONNECTIONS BYTES so many connections send as much at once, messages of a character, and
                            read nothing: how many were ended before they had sent all

It ends with its input.
"""

import contextlib
import os
import selectors
import socket
import sys
import time
from functools import partial

from bench import websocket
from bench.clients import Client
from bench.deployment import APP
from bench.load.orders import serve

NICE = 10  # Whoever looks on shall not wait for these.
LIMIT = 20.0  # Seconds that a burst may take.
PIECE = 64 * 1024  # Bytes that are sent with one call.
PONGS = websocket.PONG * (PIECE // len(websocket.PONG))
BRACES = websocket.message(b"{")


def flood(port: int, seconds: float) -> int:
    """Send with one connection at a time; return how many came."""
    count, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        count += 1
        with _greeted(port) as attacker, contextlib.suppress(ConnectionError):
            _send_until(attacker, until)
    return count


def _send_until(attacker: socket.socket, until: float) -> None:
    rest = memoryview(PONGS)
    attacker.settimeout(0.1)
    while time.monotonic() < until:
        with contextlib.suppress(TimeoutError):
            rest = rest[attacker.send(rest) :] or memoryview(PONGS)


def burst(port: int, connections: int, size: int) -> int:
    """Send with many at once; return how many were ended before they had sent all."""
    attackers = [_greeted(port) for _ in range(connections)]
    left = {each: memoryview(BRACES * (size // len(BRACES))) for each in attackers}
    ended, until = 0, time.monotonic() + LIMIT
    with selectors.DefaultSelector() as selector:
        for each in attackers:
            each.settimeout(0)
            selector.register(each, selectors.EVENT_WRITE, each)
        while selector.get_map() and time.monotonic() < until:
            for key, _ in selector.select(0.1):
                ended += _push(key.data, left)
                if not left[key.data]:
                    selector.unregister(key.data)
    for each in attackers:
        each.close()
    return ended


def _push(attacker: socket.socket, left: dict[socket.socket, memoryview]) -> int:
    """Send what the kernel takes; return 1 where the server has ended the connection."""
    try:
        sent = attacker.send(left[attacker])
    except BlockingIOError:
        return 0
    except ConnectionError:
        left[attacker] = memoryview(b"")
        return 1
    left[attacker] = left[attacker][sent:]
    return 0


def _greeted(port: int) -> socket.socket:
    client = Client(port)
    client.send(websocket.upgrade(APP.key))
    client.expect("pusher:connection_established")
    return client.socket


def _obey(port: int, order: str) -> int:
    match order.split():
        case ["flood", seconds]:
            return flood(port, float(seconds))
        case ["burst", connections, size]:
            return burst(port, int(connections), int(size))
        case _:
            raise ValueError(f"what is {order!r}?")


def main() -> None:
    """Obey until the input ends."""
    os.nice(NICE)
    serve("attackers", partial(_obey, int(sys.argv[1])))


if __name__ == "__main__":
    main()
