"""A receiver of webhooks on loopback: it answers, fails, hangs, goes and comes back."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.support.deadline import DEADLINE


@dataclass(frozen=True)
class Told:
    """
    A request that a receiver got.

    Attributes:
        headers: Its headers.
        body: Its body.
        status: What it was answered; 0: nothing yet, or never.
    """

    headers: dict[str, str]
    body: bytes
    status: int = 0

    @property
    def id(self) -> str:
        """The ``webhook-id``."""
        return self.headers["webhook-id"]

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it tells."""
        events: list[dict[str, Any]] = json.loads(self.body)["events"]
        return events


class Receiver:
    """
    A receiver.

    Attributes:
        status: What a request is answered with.
        headers: Of each answer.
        told: Requests that were answered, in order.
        begun: How many have come.
        most: How many were here at once.
    """

    def __init__(self) -> None:
        self.status: Callable[[Told], int] = lambda _: 200
        self.headers: dict[str, str] = {}
        self.told: list[Told] = []
        self.begun = 0
        self.most = 0
        self._here = 0
        self._changed = asyncio.Condition()
        self._open = asyncio.Event()
        self._open.set()
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Where it is, also while it is gone."""
        return f"http://127.0.0.1:{self._port}/hooks"

    @property
    def accepted(self) -> list[Told]:
        """The requests that were answered with 200."""
        return [told for told in self.told if told.status == 200]

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was accepted."""
        return [event for told in self.accepted for event in told.events]

    def hang(self) -> None:
        """Answer nobody until `go_on`."""
        self._open.clear()

    def go_on(self) -> None:
        """Answer those who wait, and all others."""
        self._open.set()

    async def until(self, holds: Callable[["Receiver"], bool]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(DEADLINE), self._changed:
            await self._changed.wait_for(lambda: holds(self))

    async def come(self) -> None:
        """Listen, where it was before."""
        app = web.Application()
        app.router.add_post("/hooks", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def go(self) -> None:
        """Refuse connections."""
        assert self._runner is not None
        self.go_on()
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.begun += 1
        self._here += 1
        self.most = max(self.most, self._here)
        await self._notify()
        try:
            await self._open.wait()
        finally:
            self._here -= 1
        if request.transport is None:
            return web.Response()  # Who sent it has given up, and may be dead: it is not heard.
        told = Told(dict(request.headers), body)
        told = Told(told.headers, body, self.status(told))
        self.told.append(told)
        await self._notify()
        return web.Response(status=told.status, text="x" * 10_000, headers=self.headers)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Run a receiver."""
    one = Receiver()
    await one.come()
    try:
        yield one
    finally:
        await one.go()
