"""
A request on the short way: whole, and as handlers know requests.

It offers what handlers use of `aiohttp.web.Request`, under the same names and with the same values,
so that one handler serves both ways; tests/service/dispatcher/test_ways.py
holds the two to it.
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage
from multidict import CIMultiDictProxy, MultiMapping
from yarl import URL


class ShortRequest(dict[Any, Any]):
    """
    A request whose body is there, if it has one; what handlers keep with it is kept as in a dict.

    Args:
        message: The head, as it was parsed.
        body: All of it.
        remote: The address at the other end of the connection.
        secure: Whether the connection is encrypted.
        match_info: What its path has in the places of the route's names.
        app: What belongs to the application, by key.
    """

    __slots__ = ("app", "body", "headers", "match_info", "method", "rel_url", "remote", "secure")

    def __init__(
        self,
        message: RawRequestMessage,
        body: bytes,
        *,
        remote: str | None,
        secure: bool,
        match_info: Mapping[str, str],
        app: Mapping[Any, Any],
    ) -> None:
        super().__init__()
        self.method: str = message.method
        url = message.url
        self.rel_url: URL = url.relative() if url.absolute else url
        self.headers: CIMultiDictProxy[str] = message.headers
        self.body = body
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
