"""
The doors of presence: how back ends and clients are answered, and refused.

What clients may ask, pages of other origins may read, where their app lets them in (CORS).
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from libs.common.apps.port import Apps
from libs.common.errors import Denied, Unavailable
from libs.common.tokens.key_ring import BadChannelToken
from libs.common.web import http
from libs.common.web.authentication import BASIC
from libs.common.web.cors import permission, preflight
from libs.common.web.http import answered

_REALM = 'Bearer realm="fanfare"'

Work = Callable[[web.Request], Awaitable[web.Response]]


class Doors:
    """
    Makes handlers of what answers a request, or raises what peers are told.

    Args:
        apps: The tenants, for the origins of their pages; paths have an ``app_id``.
    """

    def __init__(self, apps: Apps) -> None:
        self._apps = apps

    def of_back_ends(self, work: Work) -> Work:
        """Answer back ends alone."""

        async def handle(request: web.Request) -> web.Response:
            return await answered(request, work, challenge=lambda _: BASIC)

        return handle

    def of_clients(self, work: Work) -> Work:
        """Answer clients, and back ends too."""

        async def handle(request: web.Request) -> web.Response:
            response = await answered(request, work, challenge=_challenge)
            # Of refusals too: without them a page cannot read why.
            response.headers.update(self._permission(request))
            return response

        return handle

    async def preflight(self, request: web.Request) -> web.Response:
        """Answer a browser that asks, before a page of another origin does."""
        headers = self._permission(request)
        if "Access-Control-Allow-Origin" in headers:
            headers |= preflight(request.headers, method="GET")
        return web.Response(status=204, headers=headers)

    def _permission(self, request: web.Request) -> dict[str, str]:
        try:
            apps = (self._apps.by_id(request.match_info["app_id"]),)
        except (Denied, Unavailable):
            return permission(request.headers, ())
        return permission(request.headers, apps)


def _challenge(error: http.Refusable) -> str:
    """Word a ``WWW-Authenticate`` (RFC 6750, 3: a request without a token gets no error code)."""
    if not isinstance(error, BadChannelToken):
        return _REALM
    return f'{_REALM}, error="invalid_token", error_description="{error}"'
