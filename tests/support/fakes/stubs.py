"""Instances of services that only tell who they are and what they were asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class Stub:
    """
    An instance of a service.

    Attributes:
        service: Whose.
        host: Where it listens; also its name.
        is_ready: What it says when its health is asked.
    """

    def __init__(self, service: str, host: str) -> None:
        self.service = service
        self.host = host
        self.is_ready = True

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Tell what was asked, as JSON, or in the first frame of a socket that is an echo."""
        told = {
            "service": self.service,
            "instance": self.host,
            "path": request.raw_path,
            "headers": dict(request.headers),
            "pairs": list(request.headers.items()),
        }
        websocket = web.WebSocketResponse()
        if not websocket.can_prepare(request).ok:
            return web.json_response(told)
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
    public, internal = web.Application(), web.Application()
    public.router.add_route("*", "/{path:.*}", instance.answer)
    internal.router.add_get("/health/ready", instance.health)
    async with _listening(public, host, port), _listening(internal, host, health_port):
        yield instance


@asynccontextmanager
async def _listening(app: web.Application, host: str, port: int) -> AsyncIterator[Any]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner
    finally:
        await runner.cleanup()
