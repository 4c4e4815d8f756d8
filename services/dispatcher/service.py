"""
The dispatcher: turns domain events into broadcasts, and serves the back ends' API.

This is its shell: it keeps the pipeline running and answers HTTP.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import structlog
from aiohttp import web

from libs.common.apps.limits import Limits
from libs.common.apps.port import Apps
from libs.common.bus.port import Bus
from libs.common.control.port import Control
from libs.common.errors import Unavailable
from libs.common.eventlog.port import EventLog
from libs.common.eventlog.records import NewRecord
from libs.common.rates.port import Rates
from libs.common.retry import Backoff
from libs.common.roster.port import Roster
from libs.common.tally.port import Tally
from libs.common.telemetry.metrics.families import Metric
from libs.common.telemetry.tracing.tracer import UNTRACED, Tracer
from libs.common.typists.port import Typists
from libs.common.web.door.ways import Ways
from libs.common.web.health import Dependency
from services.dispatcher import metrics
from services.dispatcher.api.publishing import PublishingApi
from services.dispatcher.counters import DispatcherCounters
from services.dispatcher.pipeline import Pipeline
from services.dispatcher.routing import outlook
from services.dispatcher.routing.router import Router
from services.dispatcher.senders import Senders
from services.dispatcher.settings import DispatcherSettings, Route

log = structlog.get_logger()

APPS_INTERVAL = 1.0  # Seconds between two looks at which apps there are.

Terms = dict[str, tuple[str, Limits]]  # App id to its topic and its limits.


class DispatcherRules(Protocol):
    """What the dispatcher takes of the rules that may change while it runs."""

    @property
    def routes(self) -> Sequence[Route]:
        """Return all routes."""


class Dispatcher:
    """
    The dispatcher service.  Any number may run at once: they share the topics' partitions.

    Args:
        settings: The consumer group, the dead-letter topic and bounds.
        apps: The tenants; opened by the caller.
        routes: From domain events to channels, in the order of the file.
        bus: Takes broadcasts.
        events: Gives and takes domain events; None: there are none, and the Pusher API is all.
        control: Takes commands to gateways.
        roster: Tells which users are in a presence channel.
        tally: Tells how many subscribe to a channel.
        typists: Told which users have sent what they typed.
        rates: Counts what apps do.
        tracer: Makes spans of events that are watched.

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
        events: EventLog | None,
        control: Control,
        roster: Roster,
        tally: Tally,
        typists: Typists,
        rates: Rates,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._settings = settings
        self._apps = apps
        self._routes = routes
        self._bus = bus
        self._events = events
        self._control = control
        self._rates = rates
        self._tracer = tracer
        self._roster = roster
        self.counters = DispatcherCounters()
        self._senders = Senders(typists, self.counters)
        self._api = self._publishing(tally)
        self._router: Router | None = None
        self._absent: set[str] = set()  # Apps that have routes and were not there.
        self._pipeline: Pipeline | None = None
        self._changed = asyncio.Event()
        with suppress(Unavailable):  # Of apps that are not known yet, routes are compiled in `run`.
            compiled(routes, apps, settings)

    def _publishing(self, tally: Tally) -> PublishingApi:
        return PublishingApi(
            self._settings,
            self._apps,
            bus=self._bus,
            events=self._events,
            control=self._control,
            roster=self._roster,
            tally=tally,
            rates=self._rates,
            senders=self._senders,
            counters=self.counters,
            warnings=self._warnings,
            tracer=self._tracer,
        )

    def ways(self) -> Ways:
        """See `libs.common.web.server.Service.ways`."""
        return Ways(tuple(self._api.short_ways()))

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Serve the back ends' API."""
        return self._api.routes()

    def adopt(self, rules: DispatcherRules, /) -> None:
        """See `Reloadable.adopt`; records that were read and not committed meet the new routes."""
        self._routes = rules.routes
        self._changed.set()

    async def run(self) -> None:
        """Read and route domain events until cancelled."""
        while True:
            self._changed.clear()
            # Before the routes are compiled, lest a change is missed.
            known = await self._known_terms()
            async with asyncio.TaskGroup() as tasks:
                working = [
                    tasks.create_task(self._work()),
                    tasks.create_task(self._watch_apps(known)),
                ]
                await self._changed.wait()
                for task in working:
                    task.cancel()

    async def _work(self) -> None:
        self._pipeline = None
        if self._events is None:
            log.info("pipeline.not_started", reason="backends.events is none")
            return
        self._router = router = compiled(self._routes, self._apps, self._settings)
        self._report_absent()
        if not router.topics:
            log.info("pipeline.not_started", reason="no app that is there has routes")
            return
        log.info("pipeline.started", topics=sorted(router.topics), group=self._settings.group)
        self._pipeline = Pipeline(
            self._settings,
            router,
            events=self._events,
            bus=self._bus,
            senders=self._senders,
            counters=self.counters,
            tracer=self._tracer,
        )
        await self._pipeline.run()

    def _report_absent(self) -> None:
        """Say, once, which apps have routes and are not there."""
        absent = {route.app for route in self._routes} - {app.id for app in self._apps.all()}
        if absent and absent != self._absent:
            log.warning("routes.skipped", apps=sorted(absent))
        self._absent = absent

    def _warnings(self, records: Sequence[NewRecord]) -> list[str]:
        """Say what of events that are posted will not be sent, once routes are known."""
        if self._router is None:
            return []
        try:
            return outlook.warnings(self._router, records, now=time.time())
        except Exception:
            # Our own fault; yet they are stored, and an error would have them posted again.
            log.exception("warnings.failed")
            return []

    async def _watch_apps(self, known: Terms) -> None:
        """Begin anew when apps come, go, read another topic, or get other limits."""
        while True:
            await asyncio.sleep(APPS_INTERVAL)
            if terms_of(self._apps) != known:
                self._changed.set()

    async def _known_terms(self) -> Terms:
        backoff = Backoff(self._settings.retry_min, self._settings.retry_max)
        while True:
            try:
                return terms_of(self._apps)
            except Unavailable:
                await asyncio.sleep(backoff.delay())

    def metrics(self) -> Iterable[Metric]:
        """See `libs.common.telemetry.metrics.registry.Measured.metrics`."""
        is_waiting = self._pipeline is not None and self._pipeline.is_waiting
        topics = self._router.topics if self._router else ()
        return metrics.read(self.counters, topics, is_waiting=is_waiting)

    def figures(self) -> Mapping[str, int]:
        """See `services.process_state.Figured.figures`."""
        shares = self._pipeline.shares() if self._pipeline else {}
        return {
            "partitions": len(shares),
            "lag": sum(shares.values()),
            "broadcasts": self.counters.broadcasts,
            "dead_letters": sum(self.counters.dead.values()),
        }

    async def drain(self) -> None:
        """Stop at once: what was read and not committed comes again, here or elsewhere."""

    def dependencies(self) -> Iterable[Dependency]:
        """See `libs.common.web.server.Service.dependencies`: the Pusher API needs no event log."""
        yield Dependency("bus", self._bus.check)
        yield Dependency("apps", self._apps.check)
        yield Dependency("control", self._control.check, is_needed=False)
        yield Dependency("rates", self._rates.check, is_needed=False)
        yield Dependency("roster", self._roster.check, is_needed=False)
        if self._events is not None:
            yield Dependency("events", self._events.check, is_needed=False)
            yield Dependency("pipeline", self._check_pipeline, is_needed=False)

    async def _check_pipeline(self) -> None:
        """See whether domain events are read and routed, or wait."""
        if self._pipeline is not None:
            await self._pipeline.check()


def compiled(routes: Sequence[Route], apps: Apps, settings: DispatcherSettings) -> Router:
    """
    Compile the routes of the apps that there are.

    Where apps come and go, in a database, a route may name one that is not there: it waits for it.

    Raises:
        BadRoute: A route cannot work, or names an app that the same file does not have.
        Unavailable: The apps were never read yet.
    """
    if not apps.follow_file:
        compile_for_any(routes, settings)
    terms = terms_of(apps)
    topics = {app: topic for app, (topic, _) in terms.items()}
    limits = {app: limits for app, (_, limits) in terms.items()}
    if apps.follow_file:
        return Router(routes, topics=topics, settings=settings, limits=limits)
    there = [route for route in routes if route.app in topics]
    return Router(there, topics=topics, settings=settings, limits=limits)


def compile_for_any(routes: Sequence[Route], settings: DispatcherSettings) -> None:
    """
    Compile routes before it is known which apps there are.

    Raises:
        BadRoute: A route can work for none.
    """
    Router(routes, topics={route.app: "unknown" for route in routes}, settings=settings)


def terms_of(apps: Apps) -> Terms:
    """Tell what routes must know of each app; raises Unavailable if apps were never read yet."""
    return {app.id: (app.events_topic, app.limits) for app in apps.all()}
