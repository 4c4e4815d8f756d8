"""
Listening: an application at all the addresses of a setting, one or several.

``[::]`` takes both families, as it does for other servers, and ``*`` all addresses that there are,
which without IPv6 are those of IPv4.  Any other host is that alone; a name is all that it resolves
to.
"""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

from aiohttp import web

from libs.common.config.address import Address
from libs.common.telemetry.metrics.requests import RequestMetrics
from libs.common.web.door.door import Door
from libs.common.web.door.limits import LIMITS, DoorLimits
from libs.common.web.door.visitor import Visitor
from libs.common.web.door.ways import NO_WAYS, Ways

# Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
BACKLOG = 4096
HANDSHAKE_TIMEOUT = 10.0  # Seconds that a client has to agree on TLS.
GOODBYE = 1.0  # Seconds that requests have which are being answered at the end.
GOODBYE_TIMEOUT = 5.0  # Seconds that it has to take what is left and to end TLS in order.


@dataclass(frozen=True, slots=True)
class Bound:
    """
    Where a process listens in fact: addresses with their ports.

    Attributes:
        public: Where clients and back ends come.
        internal: Where operators come.
    """

    public: tuple[Address, ...]
    internal: tuple[Address, ...]


class CannotListen(Exception):
    """
    An address cannot be listened on.

    Attributes:
        address: The one of several that it is.
        is_taken: Whether somebody else listens there.
    """

    def __init__(self, address: Address, error: OSError) -> None:
        # What asyncio says at a port that is taken names the address once more.
        number = error.errno or 0
        reason = os.strerror(number).lower() if number > 0 else error.strerror or str(error)
        if number == errno.EAFNOSUPPORT:
            instead = f"; *:{address.port} means all addresses that it has"
            reason = "this system has no IPv6" + instead * address.is_dual
        super().__init__(f"cannot listen on {address}: {reason}")
        self.address = address
        self.is_taken = number == errno.EADDRINUSE


@contextlib.asynccontextmanager
async def listening(
    app: web.Application,
    addresses: Iterable[Address],
    context: ssl.SSLContext | None = None,
    *,
    ways: Ways = NO_WAYS,
    limits: DoorLimits = LIMITS,
    metrics: RequestMetrics | None = None,
) -> AsyncIterator[tuple[Address, ...]]:
    """
    Listen with an application, and stop at once when the context ends: draining came before.

    Args:
        app: What answers.
        addresses: Where; port 0 is one that is free, for each address another.
        context: How TLS is spoken; None: plain HTTP.
        ways: What does not go through the application.
        limits: What a connection may take until its request is known.
        metrics: Counts the answers that the application does not see.

    Yields:
        Where it listens in fact, in the same order; a name is all addresses that it resolves to.

    Raises:
        CannotListen: One of them is taken, or none of ours.
    """
    runner = await _runner(app, keep_alive=limits.keep_alive)
    server = cast("web.Server", runner.server)  # There is one since `setup`.
    door = Door(server, ways, app=app, limits=limits, metrics=metrics or RequestMetrics())
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(door.close, GOODBYE)
        bound: list[Address] = []
        for address in addresses:
            listener = await _listener(partial(Visitor, door), address, context)
            stack.callback(listener.close)
            bound += _bound(address, listener)
        yield tuple(bound)


async def _runner(app: web.Application, *, keep_alive: float) -> web.AppRunner:
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=GOODBYE,
        auto_decompress=False,
        keepalive_timeout=keep_alive,
    )
    await runner.setup()
    return runner


async def _listener(
    visitor: Callable[[], Visitor], address: Address, context: ssl.SSLContext | None
) -> asyncio.Server:
    # Not aiohttp's TCPSite: it leaves TLS half a minute to end, and a whole one to begin.
    create = partial(
        asyncio.get_running_loop().create_server,
        visitor,
        backlog=BACKLOG,
        ssl=context,
        ssl_handshake_timeout=HANDSHAKE_TIMEOUT if context else None,
        ssl_shutdown_timeout=GOODBYE_TIMEOUT if context else None,
    )
    own: socket.socket | None = None
    try:
        own = socket_for(address, has_ipv6=has_ipv6())
        return await (create(sock=own) if own else create(address.host, address.port))
    except OSError as error:
        if own:
            own.close()
        raise CannotListen(address, error) from error


def socket_for(address: Address, *, has_ipv6: bool) -> socket.socket | None:
    """
    Bind a socket where one takes both families; None: asyncio makes those of the host.

    Args:
        address: Where to listen.
        has_ipv6: Whether this system can.

    Raises:
        OSError: It is taken, none of ours, or of a family that the system has not.
    """
    if ":" in address.host and not has_ipv6:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    if not address.is_dual:
        return None
    own = socket.socket(socket.AF_INET6 if has_ipv6 else socket.AF_INET)
    try:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if has_ipv6:
            # asyncio would leave IPv4 out, whatever the system's default.
            own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        own.bind(("::" if has_ipv6 else "0.0.0.0", address.port))
    except OSError:
        own.close()
        raise
    return own


def has_ipv6() -> bool:
    """Tell whether this system speaks IPv6."""
    try:
        socket.socket(socket.AF_INET6).close()
    except OSError:
        return False
    return True


def _bound(address: Address, listener: asyncio.Server) -> Iterator[Address]:
    """Tell the addresses of a listener; all addresses go by what they were called."""
    for each in listener.sockets:
        host, port = each.getsockname()[:2]
        yield Address(address.host if address.is_dual else host, port)
