"""
Requests of our own to other servers, under bounds.

What a name resolves to is what is connected to, and is judged there, by `egress.policy`: a name
that leads elsewhere the next time leads nowhere.  Redirections are not followed, cookies of an
answer are not kept, proxies of the environment are not asked, and an answer is read up to its
bound.
"""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

import aiohttp
from aiohttp.abc import AbstractResolver

from libs.common.egress.lookups import Lookups
from libs.common.egress.policy import Egress
from libs.common.errors import Unavailable
from libs.common.outage import worded

# A compressed answer would have to be bounded twice.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "fanfare"}


_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "the name is not found"),
    (aiohttp.ClientConnectorCertificateError, "the certificate is not trusted"),
    (aiohttp.ClientConnectorSSLError, "TLS fails"),
    (aiohttp.ServerDisconnectedError, "the connection broke off"),
    (aiohttp.ClientPayloadError, "the answer broke off"),
    (aiohttp.ClientResponseError, "what is said is no HTTP"),
    (aiohttp.InvalidURL, "the URL cannot be used"),
)


class NoAnswer(Unavailable):
    """
    A server gave no answer in time, or a longer one than asked for, or may not be called.

    Attributes:
        reason: Why, for operators; quotes nothing that the server said.
    """

    def __init__(self, backend: str, reason: str) -> None:
        super().__init__(backend)
        self.reason = reason


class TooLong(ValueError):
    """An answer has more bytes than are read."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"an answer of more than {limit} bytes")


class AddressRefused(OSError):
    """An address may not be called."""

    def __init__(self, address: str) -> None:
        super().__init__(errno.EACCES, f"{address} may not be called (egress.allow)")


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """
    A request.

    Attributes:
        method: Upper case.
        url: Where it goes.
        limit: Bytes of an answer's body that are read.
        timeout: Seconds in which all of the answer must have arrived.
        headers: Headers beside the usual ones.
        body: Bytes, or the fields of a form; None: no body.
        cut: Whether a longer answer is cut off, and not an error.
    """

    method: str
    url: str
    limit: int
    timeout: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | Mapping[str, str] | None = field(default=None, repr=False)
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a server answered, redirections included: nobody follows them.

    Attributes:
        status: The status.
        body: The body, as far as it was to be read.
        retry_after: The header of that name, as it came; empty: there is none.
    """

    status: int
    body: bytes = field(repr=False)
    retry_after: str = field(default="", repr=False)


class EgressClient:
    """
    Calls other servers while it is open.

    Args:
        backend: What the servers are, as `Unavailable` names it.
        egress: Which addresses may be called.
        connections: At once; beyond, requests wait within their timeout; 0: any number.
        per_host: The same for each server.
        resolver: Knows the addresses of names, and is closed with it; None: the system's.
    """

    def __init__(
        self,
        backend: str,
        egress: Egress,
        *,
        connections: int,
        per_host: int,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._backend = backend
        self._egress = egress
        self._bounds = connections, per_host
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Hold connections while the context is open."""
        limit, limit_per_host = self._bounds
        resolver = self._resolver or Lookups()
        connector = aiohttp.TCPConnector(
            limit=limit,
            limit_per_host=limit_per_host,
            resolver=resolver,
            socket_factory=self._socket,
        )
        async with (
            _closing(resolver),
            aiohttp.ClientSession(
                connector=connector,
                headers=_HEADERS,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),  # Each request has its own.
            ) as session,
        ):
            self._session = session
            try:
                yield
            finally:
                self._session = None

    async def ask(self, request: OutgoingRequest) -> Answer:
        """
        Ask.

        Raises:
            NoAnswer: See there.
        """
        if self._session is None:
            raise self._none("nothing can be asked before the start, or after the end")
        try:
            async with asyncio.timeout(request.timeout):
                return await _asked(self._session, request)
        except TooLong as error:
            raise self._none(str(error)) from error
        except TimeoutError as error:
            raise self._none(f"no answer within {request.timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._none(_reason(error)) from error

    def _none(self, reason: str) -> NoAnswer:
        return NoAnswer(self._backend, reason)

    def _socket(self, where: aiohttp.AddrInfoType) -> socket.socket:
        """Make the socket that connects; aiohttp does so for each address, whoever named it."""
        family, kind, protocol, _, address = where
        host = str(address[0])
        if not self._egress.permits(ip_address(host)):
            raise AddressRefused(host)
        return socket.socket(family, kind, protocol)


@asynccontextmanager
async def _closing(resolver: AbstractResolver) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await resolver.close()


async def _asked(session: aiohttp.ClientSession, request: OutgoingRequest) -> Answer:
    async with session.request(
        request.method,
        request.url,
        headers=request.headers,
        data=request.body,
        allow_redirects=False,
    ) as response:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > request.limit and not request.cut:
                raise TooLong(request.limit)
            if len(body) > request.limit:
                response.close()
                break
        retry_after = response.headers.get("Retry-After", "")
        return Answer(response.status, bytes(body[: request.limit]), retry_after)


def _reason(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.errno == errno.EACCES:
        return f"no answer: {cause.strerror}"
    return f"no answer: {_worded(error)}"


def _worded(error: Exception) -> str:
    """Say what happened, in words of ours: those of the error may quote the server."""
    words = next((said for kind, said in _KINDS if isinstance(error, kind)), "")
    number = error.errno if isinstance(error, OSError) else None
    return words or (os.strerror(number).lower() if number else worded(type(error).__name__))
