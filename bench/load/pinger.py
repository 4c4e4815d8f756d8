"""
A client that looks on: it asks at a steady rate whether it is heard, and measures the time.

    python -m bench.load.pinger PORT

reads orders from its standard input and answers each with a line:

    ping SECONDS        for so long: ``done MEDIAN LONGEST``, in microseconds

A question is not asked before the one before it is answered.  It ends with its input.
"""

import sys
import time
from statistics import median

from bench import websocket
from bench.clients import Client
from bench.deployment import APP
from bench.load.orders import serve

INTERVAL = 0.02  # Seconds.
PATIENCE = 60.0  # Seconds that an answer may take.


class Pinger:
    """
    A client that is greeted.

    Args:
        port: Of the gateway, on loopback.
    """

    def __init__(self, port: int) -> None:
        self._client = Client(port)
        self._client.socket.settimeout(PATIENCE)
        self._client.send(websocket.upgrade(APP.key))
        self._client.expect("pusher:connection_established")

    def ping(self, seconds: float) -> list[float]:
        """Ask for so long; return the seconds that each answer took."""
        waits = []
        until = time.monotonic() + seconds
        while (began := time.monotonic()) < until:
            self._client.send(websocket.PING)
            self._client.expect("pusher:pong")
            waits.append(time.monotonic() - began)
            time.sleep(max(0.0, began + INTERVAL - time.monotonic()))
        return waits

    def obey(self, order: str) -> str:
        """Do what a line of input says; return the median and the longest, in microseconds."""
        waits = self.ping(float(order.removeprefix("ping ")))
        return f"{round(median(waits) * 1e6)} {round(max(waits) * 1e6)}"


def main() -> None:
    """Obey until the input ends."""
    serve("pinger", Pinger(int(sys.argv[1])).obey)


if __name__ == "__main__":
    main()
