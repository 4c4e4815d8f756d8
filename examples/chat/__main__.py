"""The chat as a process: ``python -m examples.chat``; README.md says how to run it."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from examples.chat import fanfare, store
from examples.chat.backend import Backend
from examples.chat.login import Login
from examples.chat.settings import HERE, Settings, read

PAGE = HERE / "page"
# What the page needs of npm's packages: Pusher's client, and Laravel Echo.
SCRIPTS = {
    "pusher.js": "pusher-js/dist/web/pusher.min.js",
    "echo.js": "laravel-echo/dist/echo.iife.js",
}


@asynccontextmanager
async def backend(settings: Settings) -> AsyncIterator[Backend]:
    """Open what the back end needs, and close it with the context."""
    url = urlsplit(settings.fanfare_url)
    address = {"key": settings.key, "host": url.hostname, "port": url.port or 80}
    async with (
        store.opened(settings.database_url) as messages,
        fanfare.session(settings.key, settings.secret) as http,
    ):
        client = fanfare.Fanfare(http, settings.fanfare_url, app=settings.app_id)
        yield Backend(messages, client, login=Login(settings.jwt_secret), address=address)


async def application(settings: Settings) -> web.Application:
    """Put together the API, the page, and the scripts that the page loads."""
    stack = AsyncExitStack()
    answering = await stack.enter_async_context(backend(settings))
    app = web.Application(middlewares=[answering.know_user])
    app.on_cleanup.append(lambda _: stack.aclose())
    app.add_routes(answering.routes())
    for name, path in SCRIPTS.items():
        app.router.add_get(f"/scripts/{name}", _file(settings.node_modules / path))
    app.router.add_get("/", _file(PAGE / "index.html"))
    app.router.add_static("/page/", PAGE)
    return app


def _file(path: Path) -> Callable[[web.Request], Awaitable[web.FileResponse]]:
    async def answer(_: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    return answer


if __name__ == "__main__":
    chosen = read(os.environ)
    web.run_app(application(chosen), host=chosen.host, port=chosen.port, shutdown_timeout=2)
