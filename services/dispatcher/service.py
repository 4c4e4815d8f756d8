"""
The dispatcher: turns domain events into broadcasts, and serves the back ends' API.

This is its shell: it keeps the pipeline running and answers HTTP.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress

import structlog
from aiohttp import web

from libs.common.apps import App, Apps
from libs.common.bus import Bus
from libs.common.control import Control
from libs.common.errors import Unavailable
from libs.common.eventlog import EventLog
from libs.common.retry import Backoff
from services.dispatcher.api import Api
from services.dispatcher.pipeline import Pipeline
from services.dispatcher.routing import Router
from services.dispatcher.settings import DispatcherSettings, Route

log = structlog.get_logger()


class Dispatcher:
    """
    The dispatcher service.  Any number may run at once: they share the topics' partitions.

    Args:
        settings: Group, topics and bounds.
        apps: Whose events these are.
        routes: The rules.
        bus: Takes broadcasts.
        events: Gives and takes domain events.
        control: Takes orders to gateways.

    Raises:
        BadRoute: A route cannot work.
    """

    name = "dispatcher"

    def __init__(
        self,
        settings: DispatcherSettings,
        apps: Apps,
        *,
        routes: Sequence[Route],
        bus: Bus,
        events: EventLog,
        control: Control,
    ) -> None:
        self._settings = settings
        self._apps = apps
        self._routes = routes
        self._bus = bus
        self._events = events
        self.counts: Counter[str] = Counter()
        self._api = Api(settings, apps, bus=bus, events=events, control=control, counts=self.counts)
        self._pipeline: Pipeline | None = None
        self._changed = asyncio.Event()
        with suppress(Unavailable):  # Of apps that are not known yet, routes are compiled in `run`.
            compiled(routes, apps.all(), settings)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Serve the back ends' API."""
        return self._api.routes()

    def replace(self, routes: Sequence[Route]) -> None:
        """Put other routes in the place of all; records that were read and not committed meet the new ones."""
        self._routes = routes
        self._changed.set()

    async def run(self) -> None:
        """Read and route domain events until cancelled."""
        while True:
            self._changed.clear()
            async with asyncio.TaskGroup() as tasks:
                working = tasks.create_task(self._work())
                await self._changed.wait()
                working.cancel()

    async def _work(self) -> None:
        router = compiled(self._routes, await self._known_apps(), self._settings)
        if not router.topics:
            log.info("pipeline.idle", reason="there are no routes")
            return
        log.info("pipeline.started", topics=sorted(router.topics), group=self._settings.group)
        self._pipeline = Pipeline(
            self._settings, router, events=self._events, bus=self._bus, counts=self.counts
        )
        await self._pipeline.run()

    async def _known_apps(self) -> Sequence[App]:
        backoff = Backoff(self._settings.retry_min, self._settings.retry_max)
        while True:
            try:
                return self._apps.all()
            except Unavailable:
                await asyncio.sleep(backoff.delay())

    async def drain(self) -> None:
        """Stop at once: what was read and not committed comes again, here or elsewhere."""

    def health(self) -> dict[str, str]:
        """See `runtime.Service.health`."""
        waiting = self._pipeline is not None and self._pipeline.is_waiting
        return {"pipeline": "waiting for a backend" if waiting else "ok"}


def compiled(routes: Sequence[Route], apps: Sequence[App], settings: DispatcherSettings) -> Router:
    """
    Compile routes for these apps.

    Raises:
        BadRoute: A route cannot work.
    """
    return Router(routes, topics={app.id: app.events_topic for app in apps}, settings=settings)
