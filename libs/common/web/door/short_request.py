"""
A request on the short way, as handlers know requests.

It offers what handlers use of `aiohttp.web.Request`, under the same names and with the same values,
so that one handler serves both ways; tests/service/dispatcher/test_ways.py
holds the two to it.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import web
from aiohttp.http import RawRequestMessage
from multidict import CIMultiDictProxy, MultiMapping
from yarl import URL

from libs.common.web.bodies.bodies import Bodies
from libs.common.web.bodies.budget import Owner


class Coming(Protocol):
    """A body that is on its way."""

    async def read(self, timeout: float) -> bytes:
        """
        Wait until it is whole, and return it, once.

        Args:
            timeout: Seconds that it may take.

        Raises:
            TimeoutError: It took longer.
            OSError: It does not come.
        """


class ShortRequest(dict[Any, Any]):
    """
    A request, whose body is there or on its way; what handlers keep with it is kept as in a dict.

    Args:
        message: The head, as it was parsed.
        body: All of it, or what waits for it.
        size: Bytes that it has, or will have.
        remote: The address at the other end of the connection.
        secure: Whether the connection is encrypted.
        match_info: What its path has in the places of the route's names.
        app: What belongs to the application, by key.
        bodies: Has room for bodies; None: it is not bounded.

    Attributes:
        room: What was taken of it, and for whom; None: nothing.
        is_read: Whether its body was asked for, and came.
    """

    __slots__ = (
        "app",
        "bodies",
        "body",
        "headers",
        "is_read",
        "match_info",
        "method",
        "rel_url",
        "remote",
        "room",
        "secure",
        "size",
    )

    def __init__(
        self,
        message: RawRequestMessage,
        body: bytes | Coming,
        *,
        size: int,
        remote: str | None,
        secure: bool,
        match_info: Mapping[str, str],
        app: Mapping[Any, Any],
        bodies: Bodies | None = None,
    ) -> None:
        super().__init__()
        self.method: str = message.method
        url = message.url
        self.rel_url: URL = url.relative() if url.absolute else url
        self.headers: CIMultiDictProxy[str] = message.headers
        self.body = body
        self.size = size
        self.is_read = False
        self.bodies = bodies
        self.room: tuple[Owner, int] | None = None
        self.remote = remote
        self.secure = secure
        self.match_info = match_info
        self.app = app

    @property
    def path(self) -> str:
        """The path, decoded."""
        return self.rel_url.path

    @property
    def query(self) -> MultiMapping[str]:
        """The query, decoded."""
        return self.rel_url.query


AnyRequest = web.Request | ShortRequest
