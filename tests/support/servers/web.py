"""Servers that speak HTTP: whether one answers, and sessions with those that show a certificate."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tests.support.servers.certificates import Certificates
from tests.support.servers.process import NotReady


async def answers(
    url: str, *, trust: ssl.SSLContext | None = None, status: int | None = None
) -> None:
    """
    See that a server answers.

    Args:
        url: What it is asked.
        trust: Whose certificates count, if not everybody's.
        status: With which status; None: any will do.

    Raises:
        NotReady: It does not, or with another status.
    """
    try:
        async with (
            aiohttp.ClientSession() as http,
            http.get(url, ssl=trust or True, allow_redirects=False) as answer,
        ):
            await answer.read()
    except aiohttp.ClientConnectionError as error:
        raise NotReady(str(error)) from error
    if status not in {None, answer.status}:
        raise NotReady(f"answers {answer.status}")


@asynccontextmanager
async def trusting(certificates: Certificates) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session that trusts an authority, and it alone, and makes a handshake for each request."""
    connector = aiohttp.TCPConnector(ssl=certificates.client_context(), force_close=True)
    async with aiohttp.ClientSession(connector=connector) as http:
        yield http
