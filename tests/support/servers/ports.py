"""
Free TCP ports on loopback for servers that tests kill and restart.

They lie below the ports that the kernel hands out to outgoing connections (32768 and up on Linux).
A port from that range could be taken by any client while its server is down, even by the client
that reconnects to it: on loopback it would then be connected to itself.

No two processes of an account have the same port, be they workers of a run or runs of their own: a
port is a byte of a file, which its process locks.  The kernel opens the locks of a process that
ends, however it ends.
"""

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

FIRST, LAST = 20_000, 32_000

_handed_out: set[int] = set()  # A process is not kept out by locks of its own.


def free_port() -> int:
    """Pick a port on which nobody listens, and which no process was given that still runs."""
    while True:
        port = random.randrange(FIRST, LAST)  # noqa: S311 - not a secret.
        if port not in _handed_out and _lock(port) and _is_free(port):
            _handed_out.add(port)
            return port


def _lock(port: int) -> bool:
    try:
        fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _locks() -> int:
    """Open the file of locks for good: closing it would open them."""
    path = Path(tempfile.gettempdir()) / f"fanfare-ports-{os.geteuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
