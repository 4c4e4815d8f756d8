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
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from libs.common.config.address import Address
from libs.common.telemetry.metrics.requests import RequestMetrics
from libs.common.web.door.accept_rate import AcceptRate
from libs.common.web.door.accepting import SPARED, Accepting
from libs.common.web.door.door import Door
from libs.common.web.door.limits import LIMITS, DoorLimits
from libs.common.web.door.mismatches import Mismatches
from libs.common.web.door.visitor import Visitor
from libs.common.web.door.ways import NO_WAYS, Ways
from libs.common.web.framework.opening import GOODBYE, opened

# Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
BACKLOG = 4096


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
    spared: int = SPARED,
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
        spared: Descriptors that those who come here leave to the process.

    Yields:
        Where it listens in fact, in the same order; a name is all addresses that it resolves to.

    Raises:
        CannotListen: One of them is taken, or none of ours.
    """
    runner, door = await _opened(app, ways, limits=limits, metrics=metrics or RequestMetrics())
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(door.close, GOODBYE)
        accepting = Accepting(
            partial(Visitor, door),
            context=context,
            handshake_timeout=limits.handshake_timeout,
            rate=AcceptRate(ways.accept_rate),
            mismatches=door.mismatches,
            spared=spared,
        )
        stack.callback(accepting.close)
        yield tuple([each for address in addresses for each in await _open(accepting, address)])


async def _open(accepting: Accepting, address: Address) -> Iterable[Address]:
    """Take connections at an address; returns where in fact."""
    sockets = await _sockets(address)
    accepting.open(sockets)
    return _bound(address, sockets)


async def _opened(
    app: web.Application, ways: Ways, *, limits: DoorLimits, metrics: RequestMetrics
) -> tuple[web.AppRunner, Door]:
    log = metrics.framework_log()
    runner, protocols = await opened(app, log, keep_alive=limits.keep_alive)
    return runner, Door(
        protocols, ways, app=app, limits=limits, metrics=metrics, mismatches=Mismatches()
    )


async def _sockets(address: Address) -> list[socket.socket]:
    """Listen at an address, at all addresses of which it is a name."""
    own: socket.socket | None = None
    bound: list[socket.socket] = []
    try:
        own = socket_for(address, has_ipv6=has_ipv6())
        bound = [own] if own else await _bound_to(address)
        for each in bound:
            # Connections inherit it: peers that have vanished are noticed in the end.
            each.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            each.settimeout(0)
            each.listen(BACKLOG)
    except OSError as error:
        for each in bound:
            each.close()
        raise CannotListen(address, error) from error
    return bound


async def _bound_to(address: Address) -> list[socket.socket]:
    """Bind to all that a host is, as asyncio does, which never serves there."""
    server = await asyncio.get_running_loop().create_server(
        asyncio.Protocol, address.host, address.port, start_serving=False
    )
    try:
        return [socket.socket(fileno=os.dup(each.fileno())) for each in server.sockets]
    finally:
        server.close()


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


def _bound(address: Address, sockets: Iterable[socket.socket]) -> Iterator[Address]:
    """Tell where sockets listen; all addresses go by what they were called."""
    for each in sockets:
        host, port = each.getsockname()[:2]
        yield Address(address.host if address.is_dual else host, port)
