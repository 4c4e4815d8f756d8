"""
The life of a process: start its services in order, say how they are, drain them, stop.

A service names its routes, runs until it is cancelled, and drains when it is told to.  `serve`
holds them together: a service that crashes ends the process, and `stop`, an event that the caller
owns, ends it in order.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from aiohttp import web

from libs.common.canary.canary import Canary
from libs.common.config.address import Address
from libs.common.telemetry.metrics.exposition import exposition
from libs.common.telemetry.metrics.registry import Measured, Registry
from libs.common.telemetry.metrics.requests import RequestMetrics
from libs.common.web import http
from libs.common.web.bodies.bodies import BODIES, Bodies
from libs.common.web.bodies.reading import MAX_BODY
from libs.common.web.certificates import Certificate, CertificateMetrics
from libs.common.web.door.accepting import SPARED_BY_OPERATORS
from libs.common.web.door.limits import LIMITS, DoorLimits
from libs.common.web.door.ways import Ways
from libs.common.web.entrance import ENTRANCE, Entrance
from libs.common.web.health import OK, Dependency, Health
from libs.common.web.listeners import Bound, listening
from libs.common.web.proxies import Proxies

log = structlog.get_logger()

GREETING = """\
This is Fanfare, a realtime server that speaks the Pusher protocol; this process runs: %s.
Clients connect to /app/{key} of a gateway, by WebSocket.
"""


class Service(Measured, Protocol):
    """A part of the program that can be served."""

    name: str

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return what it answers on the public address."""

    def ways(self) -> Ways:
        """Return what of that needs no framework."""

    async def run(self) -> None:
        """Do its background work until cancelled."""

    async def drain(self) -> None:
        """Let go of clients and of work; the caller's deadline cancels it."""

    def dependencies(self) -> Iterable[Dependency]:
        """Return what it uses, and what of that it cannot serve without."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """
    The times of a stop, in seconds.

    Attributes:
        lb_delay: How long clients are still accepted after readiness is off, for load balancers to
            notice.
        drain_timeout: How long all services together may drain.
    """

    lb_delay: float = 0.0
    drain_timeout: float = 30.0


@dataclass(slots=True)
class Server:
    """
    A process that serves.

    Attributes:
        services: In the order of their start.
        public: Where clients and back ends come, one address or several.
        internal: Where operators come: health, metrics, and which release runs.
        schedule: The times of its stop.
        certificate: What the public address shows; None: it speaks plain HTTP.
        proxies: Those whose word about their clients is taken.
        version: The release, for operators.
        limits: What a connection may take until its request is known.
        bodies: Gives the bodies of requests room.
        measured: What counts in this process beside its services.
        canary: Tries whether what is published arrives; None: no service uses the bus.
        registry: All that counts in it.
        bound: Where it listens in fact, once it does.
    """

    services: Sequence[Service]
    public: Sequence[Address]
    internal: Sequence[Address]
    schedule: Schedule = field(default_factory=Schedule)
    certificate: Certificate | None = None
    proxies: Proxies = field(default_factory=Proxies)
    version: str = ""
    limits: DoorLimits = LIMITS
    bodies: Bodies = field(default_factory=Bodies)
    measured: Sequence[Measured] = ()
    canary: Canary | None = None
    registry: Registry = field(init=False)
    _requests: RequestMetrics = field(default_factory=RequestMetrics, init=False)
    health: Health = field(init=False)
    is_draining: bool = field(default=False, init=False)
    bound: Bound | None = None

    def __post_init__(self) -> None:
        own: list[Measured] = [
            self._requests,
            self.bodies,
            CertificateMetrics(self.certificate),
        ]
        canary = [self.canary] if self.canary else []
        self.registry = Registry([*self.services, *own, *canary, *self.measured])
        self.health = Health(self.services)

    @property
    def is_ready(self) -> bool:
        """Whether clients may come."""
        return not self.is_draining and not self.health.missing

    async def serve(
        self,
        stop: asyncio.Event,
        *,
        started: Callable[[], None],
        beside: Iterable[Callable[[], Coroutine[None, None, None]]] = (),
    ) -> None:
        """
        Serve until ``stop`` is set, then drain and end.

        Args:
            stop: Set by the caller to end.
            started: Called once when all is up.
            beside: What runs while the services do, and is cancelled with them.

        Raises:
            CannotListen: An address is taken, or none of ours.
            ExceptionGroup: A service crashed.
        """
        async with self._listening(), asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(service.run()) for service in self.services]
            if self.certificate is not None:
                running.append(tasks.create_task(self.certificate.keep()))
            running += [tasks.create_task(each()) for each in beside]
            running.append(tasks.create_task(self.health.run()))
            if self.canary is not None:
                running.append(tasks.create_task(self.canary.run()))
            started()
            await stop.wait()
            self.is_draining = True
            self._say_draining()
            await asyncio.sleep(self.schedule.lb_delay)
            await self._drain()
            for task in running:
                task.cancel()

    def _say_draining(self) -> None:
        names = [service.name for service in self.services]
        seconds = self.schedule.lb_delay + self.schedule.drain_timeout
        log.info("drain.started", services=names, seconds=seconds)

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self.schedule.drain_timeout), asyncio.TaskGroup() as tasks:
                for service in self.services:
                    tasks.create_task(service.drain())
        except TimeoutError:
            log.warning("drain.timed_out", seconds=self.schedule.drain_timeout)

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        public, internal = self._public_app(), self._internal_app()
        context = self.certificate.context if self.certificate else None
        ways = Ways.joined(service.ways() for service in self.services)
        async with (
            listening(
                public,
                self.public,
                context,
                ways=ways,
                limits=self.limits,
                metrics=self._requests,
            ) as outer,
            listening(
                internal, self.internal, limits=self.limits, spared=SPARED_BY_OPERATORS
            ) as inner,
        ):
            self.bound = Bound(outer, inner)
            yield

    def _public_app(self) -> web.Application:
        middlewares = [self._requests.counting(), http.errors]
        app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY)
        app[ENTRANCE] = Entrance(self.proxies)
        app[BODIES] = self.bodies
        for service in self.services:
            app.add_routes(service.routes())
        app.add_routes(
            [
                web.get("/", self._greet),
                web.get("/up", self._up),
                web.get("/health/websocket", self._up),
            ]
        )
        return app

    def _internal_app(self) -> web.Application:
        app = web.Application(middlewares=[http.errors])
        app.add_routes(
            [
                web.get("/", self._about),
                web.get("/health/live", self._live),
                web.get("/health/started", self._started),
                web.get("/health/ready", self._ready),
                web.get("/health/deps", self._deps),
                web.get("/metrics", self._metrics),
            ]
        )
        return app

    async def _metrics(self, request: web.Request) -> web.Response:
        """Show all that is counted here, as Prometheus reads it."""
        body, media_type = exposition(self.registry.read(), request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": media_type})

    async def _greet(self, _: web.Request) -> web.Response:
        """Say what answers here: where a load balancer is wrong, it is seen at once."""
        return web.Response(text=GREETING % ", ".join(service.name for service in self.services))

    async def _about(self, _: web.Request) -> web.Response:
        """Say to operators what runs here."""
        names = [service.name for service in self.services]
        return http.answer({"name": "fanfare", "version": self.version, "services": names})

    async def _up(self, _: web.Request) -> web.Response:
        """
        Say whether clients may come.

        Load balancers before Laravel Reverb ask so (``health``), and applications that watch their
        push server (``status``).
        """
        about = self._about_this_process()
        if self.is_ready:
            return http.answer({"health": "OK", "status": "healthy"} | about)
        error = "draining" if self.is_draining else self._waiting
        said = {"health": error, "status": "unhealthy", "error": error}
        return http.answer(said | about, status=503)

    @property
    def _waiting(self) -> str:
        return f"starting: waits for {', '.join(self.health.missing)}"

    async def _started(self, _: web.Request) -> web.Response:
        """Say whether all was there once that the services cannot do without."""
        if not self.health.missing:
            return http.answer({"status": "ok"})
        return http.answer({"status": self._waiting}, status=503)

    async def _live(self, _: web.Request) -> web.Response:
        return http.answer({"status": "ok"})

    async def _ready(self, request: web.Request) -> web.Response:
        if self.is_draining:
            return http.answer({"status": "draining"}, status=503)
        return await self._started(request)

    async def _deps(self, _: web.Request) -> web.Response:
        """Say how all is that the services use, and whether what is published arrives."""
        checks = await self.health.states()
        told = self._about_this_process() | {"checks": checks}
        is_lost = False
        if self.canary is not None:
            is_lost = self.canary.flight.reason is not None
            told |= {"canary": self.canary.flight.json()}
        is_well = not is_lost and self.health.is_well(checks)
        status = {"status": OK if is_well else "degraded"}
        return http.answer(status | told, status=200 if is_well else 503)

    def _about_this_process(self) -> dict[str, Any]:
        """Say whose answer it is, and when."""
        service = ", ".join(service.name for service in self.services)
        return {"service": service, "timestamp": datetime.now(UTC).isoformat()}
