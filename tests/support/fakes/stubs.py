"""Instances of services that only tell who they are and what they were asked."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import web


class Stub:
    """
    An instance of a service.

    Attributes:
        service: Whose.
        host: Where it listens; also its name.
        is_ready: What it says when its health is asked.
        status: What it answers with, but to sockets.
    """

    def __init__(self, service: str, host: str) -> None:
        self.service = service
        self.host = host
        self.is_ready = True
        self.status = 200
        self._listening = AsyncExitStack()

    async def listen(self, *, port: int, health_port: int) -> None:
        """Begin to listen."""
        public, internal = web.Application(), web.Application()
        public.router.add_route("*", "/{path:.*}", self.answer)
        internal.router.add_get("/health/ready", self.health)
        await self._listening.enter_async_context(_listening(public, self.host, port))
        await self._listening.enter_async_context(_listening(internal, self.host, health_port))

    async def leave(self) -> None:
        """Listen no longer, as if it had ended."""
        await self._listening.aclose()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Tell what was asked, as JSON, or in the first frame of a socket that is an echo."""
        told = {
            "service": self.service,
            "instance": self.host,
            "path": request.raw_path,
            "headers": dict(request.headers),
            "pairs": list(request.headers.items()),
        }
        if request.path == "/up" and not self.is_ready:
            return web.Response(status=503)
        websocket = web.WebSocketResponse()
        if not websocket.can_prepare(request).ok:
            return web.json_response(told, status=self.status)
        await websocket.prepare(request)
        await websocket.send_json(told)
        async for message in websocket:
            await websocket.send_str(message.data)
        return websocket

    async def health(self, _: web.Request) -> web.Response:
        """Tell whether it is ready."""
        return web.Response(status=200 if self.is_ready else 503)


@asynccontextmanager
async def stub(service: str, host: str, *, port: int, health_port: int) -> AsyncIterator[Stub]:
    """Run an instance."""
    instance = Stub(service, host)
    await instance.listen(port=port, health_port=health_port)
    try:
        yield instance
    finally:
        await instance.leave()


@asynccontextmanager
async def _listening(app: web.Application, host: str, port: int) -> AsyncIterator[Any]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner
    finally:
        await runner.cleanup()
