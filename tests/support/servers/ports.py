"""
Free TCP ports on loopback for servers that tests kill and restart.

They lie below the ports that the kernel hands out to outgoing connections (32768 and up on Linux).
A port from that range could be taken by any client while its server is down, even by the client
that reconnects to it: on loopback it would then be connected to itself.
"""

import random
import socket

FIRST, LAST = 20_000, 32_000

_handed_out: set[int] = set()


def free_port() -> int:
    """Pick a port on which nobody listens, and which this process was not given before."""
    while True:
        port = random.randrange(FIRST, LAST)  # noqa: S311 - not a secret.
        if port not in _handed_out and _is_free(port):
            _handed_out.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
