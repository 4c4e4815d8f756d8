"""
The composition root: settings, backends, the named services, serve.

The only place that picks concrete classes.  Which services run in this process is a list of names.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from libs.common.apps.port import Apps
from libs.common.backends.adapters import Backends, Plan, opened
from libs.common.board.teller import Teller
from libs.common.canary.canary import Canary
from libs.common.debugging.debugger import Debugger
from libs.common.errors import Misconfigured
from libs.common.policies.guards import Guards
from libs.common.policies.policies import Policies
from libs.common.policies.selections import SelectedChannels
from libs.common.telemetry import logs
from libs.common.telemetry.metrics.registry import Measured
from libs.common.telemetry.telemetry import Telemetry
from libs.common.telemetry.tracing.tracer import UNTRACED, Tracer
from libs.common.tokens.key_ring import KeyRing
from libs.common.web.bodies.bodies import Bodies
from libs.common.web.certificates import Certificate
from libs.common.web.listeners import Bound
from libs.common.web.proxies import Proxies
from libs.common.web.server import Schedule, Server
from libs.common.web.settings import ServerSettings
from services.auth.service import Auth
from services.collector import Collector
from services.descriptors import affordable, raise_file_limit
from services.dispatcher.service import Dispatcher
from services.gateway.access.verifier import Verifier
from services.gateway.memory.holdings import Holdings
from services.gateway.memory.limit import memory_limit
from services.gateway.service import Gateway
from services.gateway.session.rules import SessionRules
from services.presence.lifecycle.sinks import recorded
from services.presence.service import Presence
from services.presence.webhooks.delivery import WebhookTools
from services.presence.webhooks.targets import Webhooks, receivers
from services.process_state import Figured, names_of, telling
from services.reload import Reloadable, adopt
from services.settings import Settings, check_services, topics_of
from services.version import VERSION

log = structlog.get_logger()

DRAIN_SPREAD = 10.0  # Seconds over which a gateway sends its clients away, if there is time for it.


class FanfareService(Reloadable, Figured, Protocol):
    """One of the four services."""


@dataclass(frozen=True, slots=True)
class Reload:
    """
    How rules are read again.

    Attributes:
        wanted: Set to have it done.
        read: Loads the settings; may raise Misconfigured, and then nothing changes.
    """

    wanted: asyncio.Event
    read: Callable[[], Settings]


def build(
    settings: Settings,
    names: Sequence[str],
    backends: Backends,
    *,
    ring: KeyRing | None = None,
    tracer: Tracer = UNTRACED,
) -> list[FanfareService]:
    """
    Make the named services, in the order in which they start.

    Args:
        settings: As loaded.
        names: Of `services.settings.SERVICES`.
        backends: Opened by the caller.
        ring: The keys of channel tokens, if the caller is to replace them; None: those of the
            settings.
        tracer: Makes spans of events that are watched.

    Raises:
        Misconfigured: A setting that only its service understands cannot work.
    """
    ring = ring or KeyRing(settings.tokens)
    makers: dict[str, Callable[[], FanfareService]] = {
        "presence": lambda: _presence(settings, backends, ring),
        "auth": lambda: _auth(settings, backends, ring),
        "dispatcher": lambda: _dispatcher(settings, backends, tracer),
        "gateway": lambda: _gateway(settings, backends, ring, tracer=tracer),
    }
    return [make() for name, make in makers.items() if name in names]


def _presence(settings: Settings, backends: Backends, ring: KeyRing) -> Presence:
    return Presence(
        settings.presence,
        backends.apps,
        ring,
        leases=backends.leases,
        roster=backends.roster,
        typists=backends.typists,
        lifecycle=backends.lifecycle,
        sightings=backends.sightings,
        bus=backends.bus,
        marks=backends.marks,
        receipts=SelectedChannels(settings.receipts),
        control=backends.control,
        rates=backends.rates,
        events=backends.events,
        webhooks=Webhooks(
            WebhookTools(
                backends.apps,
                receivers(settings.egress.allow),
                backends.dead_letters,
                settings.presence,
            )
        ),
    )


def _auth(settings: Settings, backends: Backends, ring: KeyRing) -> Auth:
    return Auth(
        backends.apps,
        settings.auth,
        policies=Policies(settings.channels),
        guards=Guards(settings.channels),
        rates=backends.rates,
        control=backends.control,
        memberships=backends.memberships,
        events=backends.events,
        ring=ring,
        egress=settings.egress,
    )


def _dispatcher(settings: Settings, backends: Backends, tracer: Tracer) -> Dispatcher:
    return Dispatcher(
        settings.dispatcher,
        backends.apps,
        routes=settings.routes,
        bus=backends.bus,
        events=backends.events,
        control=backends.control,
        roster=backends.roster,
        tally=backends.tally,
        typists=backends.typists,
        rates=backends.rates,
        tracer=tracer,
    )


def _gateway(settings: Settings, backends: Backends, ring: KeyRing, *, tracer: Tracer) -> Gateway:
    limits = settings.gateway
    most = affordable(limits.max_connections)
    return Gateway(
        msgspec.structs.replace(limits, max_connections=most),
        backends.apps,
        bus=backends.bus,
        leases=backends.leases,
        roster=backends.roster,
        tally=backends.tally,
        control=backends.control,
        verifier=Verifier(ring, grace=settings.tokens.grace, guards=Guards(settings.channels)),
        lifecycle=backends.lifecycle,
        wanted=backends.wanted,
        cache_ttl=settings.history.cache_ttl,
        holdings=Holdings.within(memory_limit(), limits.memory_soft, limits.memory_hard),
        message_timeout=settings.server.message_timeout,
        typists=backends.typists,
        session_rules=SessionRules(
            settings.presence.away_after,
            settings.presence.typing_ttl,
            SelectedChannels(settings.typing),
            SelectedChannels(settings.receipts),
        ),
        drain_spread=min(DRAIN_SPREAD, settings.server.drain_timeout / 2),
        tracer=tracer,
    )


def plan(settings: Settings) -> Plan:
    """Say what the backends are made from."""
    return Plan(
        settings.backends,
        settings.history,
        settings.kafka,
        settings.postgres,
        settings.apps,
        settings.auth.memberships.query,
        recorded=recorded(settings.presence),
        allow=settings.egress.allow,
        reserved={topic: setting for setting, topic in topics_of(settings).items()},
        dead_letters=settings.presence.dead_letters,
        dead_letters_max_age=settings.presence.dead_letters_max_age,
        max_readers=settings.presence.max_readers,
    )


def certificate_of(server: ServerSettings) -> Certificate | None:
    """
    Load what the public address shows; None where it speaks plain HTTP.

    Raises:
        Misconfigured: A file cannot be read or used.
    """
    if not server.certificate:
        return None
    return Certificate(Path(server.certificate), Path(server.certificate_key))


async def serve(
    settings: Settings,
    names: Sequence[str],
    *,
    stop: asyncio.Event,
    started: Callable[[Server], None],
    reload: Reload | None = None,
) -> None:
    """
    Run the named services in this process until ``stop`` is set.

    Args:
        settings: As loaded.
        names: Of `services.settings.SERVICES`.
        stop: Set by the caller to end.
        started: Called once when all is up, with the server, which knows where it listens.
        reload: When to read the rules again, and from where; None: never.

    Raises:
        Misconfigured: These services cannot run with these settings.
        CannotListen: An address is taken, or none of ours.
        ExceptionGroup: A service crashed.
    """
    check_services(settings, names)
    raise_file_limit(settings.gateway.max_connections if "gateway" in names else 0)
    certificate = certificate_of(settings.server)
    ring = KeyRing(settings.tokens)
    telemetry = Telemetry(settings.telemetry, VERSION, services=names)
    async with opened(plan(settings)) as backends:
        services = build(settings, names, backends, ring=ring, tracer=telemetry.tracer)
        measured = [*telemetry.measured, backends.metrics]
        canary = _canary(services, backends)
        server = _server(settings.server, services, certificate, measured=measured, canary=canary)
        teller = Teller(backends.board, telling(server, services))
        results = telemetry.process.reloads
        beside: list[Callable[[], Coroutine[None, None, None]]] = [
            partial(_keep_reloading, reload, services, backends.apps, ring=ring, results=results),
            partial(telemetry.run, server.registry),
            Collector(services).run,
            backends.metrics.run,
            teller.run,
            _debugger(settings, server, services, backends, process=teller.process).run,
        ]
        await server.serve(stop, started=lambda: started(server), beside=beside)


def _server(
    settings: ServerSettings,
    services: Sequence[FanfareService],
    certificate: Certificate | None,
    *,
    measured: Sequence[Measured],
    canary: Canary | None,
) -> Server:
    return Server(
        services,
        settings.listen,
        settings.internal_listen,
        Schedule(settings.lb_delay, settings.drain_timeout),
        certificate=certificate,
        proxies=Proxies(settings.trusted_proxies),
        version=VERSION,
        limits=settings.door_limits,
        bodies=Bodies(settings.max_bodies),
        measured=measured,
        canary=canary,
    )


def _canary(services: Sequence[Reloadable], backends: Backends) -> Canary | None:
    """Try the bus in a process that depends on it."""
    uses = {each.name for service in services for each in service.dependencies()}
    return Canary(backends.bus) if "bus" in uses else None


def _debugger(
    settings: Settings,
    server: Server,
    services: Sequence[FanfareService],
    backends: Backends,
    *,
    process: str,
) -> Debugger:
    """Hear what is to be shown for a while; ``process`` is the name on the board."""
    return Debugger(
        backends.control,
        level=settings.log.level,
        names=lambda: names_of(server, process),
        watch=[each.frames.watch for each in services if isinstance(each, Gateway)],
    )


async def _keep_reloading(
    reload: Reload | None,
    services: Sequence[Reloadable],
    apps: Apps,
    *,
    ring: KeyRing,
    results: dict[str, int],
) -> None:
    while reload is not None:
        await reload.wanted.wait()
        reload.wanted.clear()
        logs.reopen()
        try:
            settings = reload.read()
            check_services(settings, [service.name for service in services])
            adopt(settings, services, apps=apps, ring=ring)
        except Misconfigured as error:
            results["refused"] += 1
            log.error("rules.refused", reason=str(error))  # noqa: TRY400 - the sentence says it all
        else:
            results["adopted"] += 1
            log.info("rules.reloaded")


def run(settings: Settings, names: Sequence[str], read: Callable[[], Settings]) -> None:
    """
    Run the named services until SIGTERM or SIGINT; SIGHUP reads the rules again.

    Args:
        settings: As loaded.
        names: Of `services.settings.SERVICES`.
        read: Loads the settings again; may raise Misconfigured, and then nothing changes.

    Raises:
        Misconfigured, CannotListen, ExceptionGroup: As `serve`.
    """
    asyncio.run(_run(settings, names, read))


async def _run(settings: Settings, names: Sequence[str], read: Callable[[], Settings]) -> None:
    stop, wanted = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, wanted.set)
    await serve(settings, names, stop=stop, started=_started, reload=Reload(wanted, read))
    log.info("process.stopped")


def _started(server: Server) -> None:
    bound = server.bound or Bound((), ())
    log.info(
        "process.started",
        version=server.version,
        services=[service.name for service in server.services],
        listen=", ".join(map(str, bound.public)),
        internal=", ".join(map(str, bound.internal)),
    )
