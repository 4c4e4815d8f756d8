"""
What aiohttp answers of its own, worded by us; and no answer names it.

Its pages about malformed requests quote them, and each of its answers names its release and that of
Python.  What a client expects before it sends a body is left to whoever reads the body, for aiohttp
would ask for the body before anybody has looked at the request.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11, RawRequestMessage, StreamWriter
from multidict import CIMultiDict, CIMultiDictProxy

from libs.common.web.bodies.reading import EXPECTATION
from libs.common.web.http import answer

_MALFORMED = "the request is malformed"


class Exchange(web.RequestHandler):
    """The requests of a connection, and their answers."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Word what aiohttp answers of its own; it notes it as ever."""
        super().handle_error(request, status, exc, message)
        known = _MALFORMED if status == HTTPStatus.BAD_REQUEST else HTTPStatus(status).phrase
        response = answer({"error": known.lower()}, status=status)
        response.force_close()
        return response


class NamelessWriter(StreamWriter):
    """Writes an answer, which does not say what wrote it."""

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        """Write all of them but one."""
        headers.pop(hdrs.SERVER, None)
        await super().write_headers(status_line, headers)


def asked(
    make: Callable[..., web.BaseRequest],
    message: RawRequestMessage,
    payload: Any,
    protocol: web.RequestHandler,
    _: object,
    task: Any,
) -> web.BaseRequest:
    """
    Make a request of what was parsed.

    Args:
        make: Does so.
        message: Its head.
        payload: Its body.
        protocol: Its connection.
        _: What would write the answer.
        task: Belongs to its connection.
    """
    expectation = message.headers.get(hdrs.EXPECT)
    if expectation is not None:
        headers = message.headers.copy()
        del headers[hdrs.EXPECT]
        message = message._replace(headers=CIMultiDictProxy(headers))
    writer = NamelessWriter(protocol, asyncio.get_running_loop())
    request = make(message, payload, protocol, writer, task)
    if expectation is not None and message.version == HttpVersion11:
        request[EXPECTATION] = expectation.lower()
    return request
