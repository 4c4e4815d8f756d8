"""
Accepting: connections are taken from the listening sockets, as many at a time as the loop can bear.

asyncio's own servers make a task for each connection, and where descriptors run out they say so in
the log for each of thousands.
"""

import asyncio
import errno
import os
import resource
import socket
import ssl
from collections.abc import Callable, Sequence
from math import inf

import structlog

from libs.common.web.door.accept_rate import AcceptRate
from libs.common.web.door.mismatches import PLAIN, Mismatches

log = structlog.get_logger()

TOGETHER = 64  # Connections that are taken before the loop turns.
# Bytes of one look at a connection, of asyncio's 262,144: strangers may all send at once, and what
# they sent is held until it is judged.
MOST_READ = 64 * 1024
RETRY = 1.0  # Seconds after which it is tried again, where descriptors ran out.
SPARED = 100  # Descriptors that clients leave to the process: backends, files, its own requests.
SPARED_BY_OPERATORS = 50  # Those that operators leave: they come when nobody else can.
SILENCE = 60.0  # Seconds between two lines that say so.
GOODBYE_TIMEOUT = 5.0  # Seconds that it has to take what is left and to end TLS in order.

_FULL = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Accepting:
    """
    Takes connections, until `close`.

    Args:
        visitor: Makes the protocol of each connection.
        context: How TLS is spoken; None: it is not.
        handshake_timeout: Seconds that a client has to agree on it.
        rate: How many may come in a second; who is beyond waits in the listen queue.
        mismatches: Says who speaks no TLS where it is spoken.
        spared: Descriptors that those who come here leave to the process.

    Attributes:
        most: The descriptor from which on clients are sent away.
    """

    def __init__(
        self,
        visitor: Callable[[], asyncio.Protocol],
        *,
        context: ssl.SSLContext | None,
        handshake_timeout: float,
        rate: AcceptRate,
        mismatches: Mismatches,
        spared: int = SPARED,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._visitor = visitor
        self._context = context
        self._handshake_timeout = handshake_timeout
        self._rate = rate
        self._mismatches = mismatches
        self.most = _most_descriptors(spared)
        self._told_at = -SILENCE
        self._pausing: asyncio.TimerHandle | None = None
        self._agreeing: set[asyncio.Task[None]] = set()

    def open(self, sockets: Sequence[socket.socket]) -> None:
        """Take connections from sockets, which listen and do not block, from now on."""
        self._sockets += sockets
        if self._pausing is None:
            self._resume()

    def _resume(self) -> None:
        self._pausing = None
        for each in self._sockets:
            self._loop.add_reader(each.fileno(), self._take, each)

    def close(self) -> None:
        """Take no more, and close the sockets."""
        if self._pausing is not None:
            self._pausing.cancel()
        for task in self._agreeing:
            task.cancel()
        for each in self._sockets:
            self._loop.remove_reader(each.fileno())
            each.close()

    def _take(self, listener: socket.socket) -> None:
        for _ in range(TOGETHER):
            if (wait := self._rate.wait(self._loop.time())) > 0:
                self._pause(wait)
                return
            try:
                connection, peer = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                self._tell(os.strerror(error.errno or 0))
                self._pause(RETRY)
                return
            if connection.fileno() >= self.most:
                connection.close()
                self._tell("too many open files")
                self._pause(RETRY)
                return
            self._rate.took(self._loop.time())
            self._begin(connection, peer)

    def _begin(self, connection: socket.socket, peer: object) -> None:
        connection.settimeout(0)
        if self._context is None:
            # What `connect_accepted_socket` does, without a task for each connection.
            transport = self._loop._make_socket_transport(  # type: ignore[attr-defined]  # noqa: SLF001
                connection, self._visitor(), extra={"peername": peer}
            )
            transport.max_size = MOST_READ
            return
        task = self._loop.create_task(self._agree(connection, self._context))
        self._agreeing.add(task)
        task.add_done_callback(self._agreeing.discard)

    async def _agree(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        """Agree on TLS with a client; one with whom that fails is gone."""
        try:
            await self._loop.connect_accepted_socket(
                self._visitor,
                connection,
                ssl=context,
                ssl_handshake_timeout=self._handshake_timeout,
                ssl_shutdown_timeout=GOODBYE_TIMEOUT,
            )
        except OSError as error:  # ssl.SSLError and the deadline among them.
            if isinstance(error, ssl.SSLError) and error.reason in PLAIN:
                self._mismatches.met_plain()
            log.debug("tls.failed", reason=str(error))

    def _pause(self, seconds: float) -> None:
        for each in self._sockets:
            self._loop.remove_reader(each.fileno())
        self._pausing = self._loop.call_later(seconds, self._resume)

    def _tell(self, reason: str) -> None:
        """Say once in a while that newcomers must wait."""
        now = self._loop.time()
        if now - self._told_at >= SILENCE:
            self._told_at = now
            log.warning("accept.paused", reason=reason.lower(), setting="ulimit -n")


def _most_descriptors(spared: int) -> float:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return inf if soft == resource.RLIM_INFINITY else max(soft - spared, soft // 2)
