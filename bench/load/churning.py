"""Clients that come and go, at a steady rate."""

import socket
import time
from collections import deque

from bench.load.newcomers import arrivals
from bench.load.seats import channel_names

ROUND = 0.1  # Seconds.
STAY = 20  # Rounds that a client stays.


def churn(port: int, *, seconds: float, rate: int, prefix: str) -> int:
    """
    Have clients come, each to a channel of its own, and go without a word.

    Args:
        port: Of the gateway, on loopback.
        seconds: For how long.
        rate: How many come a second, at most.
        prefix: Begins the names of their channels.

    Returns:
        How many came; all are gone.
    """
    began, count = time.monotonic(), round(rate * ROUND)
    rounds = round(seconds / ROUND)
    there: deque[list[socket.socket]] = deque()
    for number in range(rounds):
        wishes = [[name] for name in channel_names(f"{prefix}{number}-", count)]
        there.append(list(arrivals(port, wishes, at_once=count)))
        if len(there) > STAY:
            _leave(there.popleft())
        time.sleep(max(0.0, began + (number + 1) * ROUND - time.monotonic()))
    for left in there:
        _leave(left)
    return rounds * count


def _leave(connections: list[socket.socket]) -> None:
    for each in connections:
        each.close()
