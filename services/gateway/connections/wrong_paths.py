"""
Clients at a wrong path: they are told so with a code.

Plain HTTP goes on as if nobody did that.

What answers them is a resource of aiohttp's router that exists for upgrades alone.  For every other
request it does not, so that a 404 stays a 404, and a 405 keeps its ``Allow``.
"""

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from aiohttp.web_urldispatcher import AbstractRoute, DynamicResource, UrlDispatcher

from libs.common.errors import Invalid

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PathNotFound(Invalid):
    """A client asks for a WebSocket where there is none."""

    code = 4005  # Pusher, "Error codes": path not found.
    status = 404

    def __init__(self, path: str) -> None:
        super().__init__(f"clients connect to /app/{{key}}, not to {path[:64]!r}")


class _Upgrades(DynamicResource):
    """
    All paths, and no request but a WebSocket's upgrade.

    It is a subclass because that is how aiohttp takes a rule.
    """

    async def resolve(
        self, request: web.Request
    ) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """See `aiohttp.web.AbstractResource.resolve`."""
        return await super().resolve(request) if _asks_for_websocket(request) else (None, set())


class WrongPaths(web.AbstractRouteDef):
    """
    Gives a handler the upgrades that no route before it takes; its match has no ``key``.

    Args:
        handler: Accepts them, and raises `PathNotFound` to its client.
    """

    __slots__ = ("_handler",)

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def register(self, router: UrlDispatcher) -> list[AbstractRoute]:
        """See `aiohttp.web.AbstractRouteDef.register`."""
        resource = _Upgrades("/{path:.*}")
        router.register_resource(resource)
        return [resource.add_route(hdrs.METH_GET, self._handler)]


def _asks_for_websocket(request: web.Request) -> bool:
    """Tell an upgrade from other requests (RFC 6455, 4.2.1), in order or not."""
    upgrade, connection = (
        request.headers.get(name, "").lower() for name in (hdrs.UPGRADE, hdrs.CONNECTION)
    )
    asks = upgrade.strip() == "websocket" and "upgrade" in connection
    return asks and request.method == hdrs.METH_GET
