"""
Requests to identity servers, under bounds.

Redirections are not followed, cookies of a reply are not kept (they are some user's), proxies of
the environment are not asked, and a reply is read up to its bound.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from services.auth.identity.provider import ProviderQuery, ProviderReply, ProviderUnavailable

CONNECTIONS = 200  # At once; beyond, questions wait within their timeout.
PER_HOST = 50

# A compressed reply would have to be bounded twice.
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "fanfare"}


class ProviderClient:
    """Asks identity servers while it is open."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Hold connections while the context is open."""
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, limit_per_host=PER_HOST)
        async with aiohttp.ClientSession(
            connector=connector,
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),  # Each question has its own.
        ) as session:
            self._session = session
            try:
                yield
            finally:
                self._session = None

    async def ask(self, question: ProviderQuery) -> ProviderReply:
        """
        Ask.

        Raises:
            ProviderUnavailable: There is no reply in time, or a longer one than asked for.
        """
        if self._session is None:
            raise ProviderUnavailable("nothing can be asked before the start, or after the end")
        try:
            async with asyncio.timeout(question.timeout):
                return await _asked(self._session, question)
        except TimeoutError as error:
            raise ProviderUnavailable(f"no answer within {question.timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ProviderUnavailable(f"no answer: {type(error).__name__}") from error


async def _asked(session: aiohttp.ClientSession, question: ProviderQuery) -> ProviderReply:
    async with session.request(
        question.method,
        question.url,
        headers=question.headers,
        data=question.form,
        allow_redirects=False,
    ) as response:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > question.limit:
                raise ProviderUnavailable(f"an answer of more than {question.limit} bytes")
        return ProviderReply(response.status, bytes(body))
