"""
The backends of the settings, each reached once, all side by side.

A server that does not answer is told by its name, and delays no other's answer.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from libs.common.apps.admin import AppAdmin
from libs.common.apps.app import App
from libs.common.backends.adapters import opened_memberships, opened_sightings
from libs.common.config.address import Url
from libs.common.egress.client import NoAnswer
from libs.common.errors import Misconfigured, Unavailable
from libs.common.eventlog.kafka import inspection as kafka
from libs.common.eventlog.kafka.inspection import KafkaCluster
from libs.common.outage import reason_of
from libs.common.postgres import inspection as postgres
from libs.common.postgres.address import SCHEMES
from libs.common.postgres.connection import PostgresConnection, reason
from libs.common.postgres.inspection import PostgresServer
from libs.common.redis import inspection as redis
from libs.common.redis.connection import RedisConnection, raise_first
from libs.common.redis.inspection import RedisServer
from libs.common.redis.keys import Keys
from libs.common.redis.pubsub.ways import Pubsub
from libs.common.redis.scripts import Call
from libs.common.telemetry.otlp import OtlpReceiver
from services.program import plan
from services.settings import Settings

DEADLINE = (
    8.0  # Seconds that a backend has: longer than what is asked of it takes in the worst case.
)
RECEIVER_TIMEOUT = 3.0  # Seconds for each of two signals.
BACKENDS = ("bus", "roster", "sessions", "control", "events", "apps", "memberships", "sightings")
# Of each service; some besides, where the settings say so (`used_by`).
USED = {
    "gateway": ("bus", "roster", "sessions", "control", "apps"),
    "auth": ("control", "apps", "memberships"),
    "dispatcher": ("bus", "roster", "control", "events", "apps"),
    "presence": ("bus", "roster", "control", "apps", "sightings"),
}
OURS = ("apps", "memberships", "sightings")  # Tables of these are migrated.

Said = tuple[RedisServer, ...] | PostgresServer | KafkaCluster


@dataclass(frozen=True, slots=True)
class Backend:
    """
    A backend, under all the names that the settings have for it.

    Attributes:
        names: Keys of ``[backends]``, or a setting elsewhere in full.
        url: Where it is.
    """

    names: tuple[str, ...]
    url: Url

    def __str__(self) -> str:
        return f"{', '.join(self.names)}: {self.url}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """
    What became of a backend that was reached for.

    Attributes:
        backend: Which.
        said: How it describes itself; None: it did not.
        trouble: Why it cannot be used; empty: it can.
        reserve: Why it did not describe itself, though it can be used.
        doubt: Why it cannot be used, where services do without it.
        apps: Those that it keeps; None: it keeps none.
    """

    backend: Backend
    said: Said | None = None
    trouble: str = ""
    reserve: str = ""
    doubt: str = ""
    apps: tuple[App, ...] | None = None

    @property
    def is_usable(self) -> bool:
        """Whether it was reached, and takes what it is there for."""
        return not (self.trouble or self.doubt)


def used_by(services: Collection[str], settings: Settings) -> set[str]:
    """Name the backends that some services use."""
    names = {name for service in services for name in USED[service]}
    is_read = "auth" in services and settings.auth.memberships.topic
    is_told = "presence" in services and settings.presence.lifecycle_topic
    return names | {"events"} if is_read or is_told else names


def backends_of(settings: Settings, services: Collection[str]) -> list[Backend]:
    """Name the backends that are servers and are used, in the order of the settings."""
    named: dict[Url, list[str]] = {}
    used = used_by(services, settings)
    for name in filter(used.__contains__, BACKENDS):
        url: Url = getattr(settings.backends, name)
        if url.scheme not in {"memory", ""}:
            named.setdefault(url, []).append(name)
    return [Backend(tuple(names), url) for url, names in named.items()]


async def reached(
    settings: Settings, services: Collection[str], *, deadline: float = DEADLINE
) -> list[Reply]:
    """Reach for all backends of some services at once; each has ``deadline`` seconds."""
    async with asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(_reached(backend, settings, deadline))
            for backend in [*backends_of(settings, services), *receiver_of(settings)]
        ]
    return [task.result() for task in asked]


def receiver_of(settings: Settings) -> list[Backend]:
    """Name the receiver of metrics and spans, which all services use, if there is one."""
    url = settings.telemetry.otlp_endpoint
    return [Backend(("telemetry.otlp_endpoint",), url)] if url else []


async def _reached(backend: Backend, settings: Settings, deadline: float) -> Reply:
    try:
        async with asyncio.timeout(deadline):
            return await _way(backend, settings)(backend, settings)
    except Unavailable as error:
        return Reply(backend=backend, trouble=f"cannot be used: {_why(error)}")
    except TimeoutError:
        return Reply(backend=backend, trouble=f"does not answer within {deadline:g} s")
    except Misconfigured as error:
        return Reply(backend=backend, trouble=str(error))


def _why(error: Unavailable) -> str:
    is_silent = isinstance(error.__cause__, TimeoutError) and not str(error.__cause__)
    return "no answer in time" if is_silent else reason(error)


def _way(
    backend: Backend, settings: Settings
) -> Callable[[Backend, Settings], Coroutine[Any, Any, Reply]]:
    if backend.url == settings.telemetry.otlp_endpoint:
        return _receiver
    if backend.url.scheme == "kafka":
        return _kafka
    return _postgres if backend.url.scheme in SCHEMES else _redis


async def _redis(backend: Backend, settings: Settings) -> Reply:
    """See whether our scripts may write, as services do all the time, and then ask."""
    keys = Keys(settings.backends.prefix, settings.backends.partitions).probes("check")
    async with RedisConnection(backend.url, backend.names[0]) as connection:
        await connection.check(keys)
        if "bus" in backend.names:
            await _announce(connection, keys, Pubsub(settings.backends.pubsub))
    # Apart, for what is refused here says nothing of what was asked before.
    async with RedisConnection(backend.url, backend.names[0]) as connection:
        try:
            said = tuple(await redis.inspected(connection, keys))
        except Unavailable as error:
            return Reply(backend=backend, reserve=reason_of(error))
    return Reply(backend=backend, said=said)


async def _announce(connection: RedisConnection, keys: Sequence[str], pubsub: Pubsub) -> None:
    """
    See whether each server passes on what is announced in this way; nobody hears it.

    Raises:
        Unavailable: One does not; the cause says why.
    """
    asked = (await connection.spread(keys)).values()
    calls = [Call(key, (command, key, "")) for key in asked for command in pubsub.commands]
    raise_first(await connection.ask_all(calls), backend="bus")


async def _kafka(backend: Backend, settings: Settings) -> Reply:
    return Reply(backend=backend, said=await kafka.inspected(backend.url, settings.kafka))


async def _receiver(backend: Backend, settings: Settings) -> Reply:
    telemetry = settings.telemetry
    timeout = min(telemetry.otlp_timeout, RECEIVER_TIMEOUT)
    receiver = OtlpReceiver(replace(telemetry, otlp_timeout=timeout))
    async with receiver.opened():
        try:
            await receiver.check()
        except NoAnswer as error:
            return Reply(backend=backend, doubt=error.reason)
    return Reply(backend=backend)


async def _postgres(backend: Backend, settings: Settings) -> Reply:
    apps = None
    async with PostgresConnection(backend.url, backend.names[0], settings.postgres) as connection:
        said = await postgres.inspected(connection)
        if not (said.pending and is_migrated(backend, settings)):
            apps = await _asked(backend, connection, settings)
    return Reply(backend=backend, said=said, apps=apps)


async def _asked(
    backend: Backend, connection: PostgresConnection, settings: Settings
) -> tuple[App, ...] | None:
    """Ask what services ask, which shows permissions that are missing; return the apps."""
    if "memberships" in backend.names:
        async with opened_memberships(plan(settings)) as memberships:
            await memberships.check()
    if "sightings" in backend.names:
        async with opened_sightings(plan(settings)) as sightings:
            await sightings.check()
    if "apps" not in backend.names:
        return None
    return tuple(await AppAdmin(connection).apps())


def is_migrated(backend: Backend, settings: Settings) -> bool:
    """Tell whether tables of ours are there, and not the operator's alone."""
    has_ours = set(backend.names).intersection(OURS)
    if settings.auth.memberships.query:
        has_ours.discard("memberships")
    return bool(has_ours)


def connections_of(backend: Backend, settings: Settings) -> int:
    """Tell how many connections one process may open to a PostgreSQL: each port has a pool."""
    # With sightings lie dead letters and marks.
    ports = sum(3 if name == "sightings" else 1 for name in backend.names)
    return ports * settings.postgres.pool_size


def apps_of(settings: Settings, replies: Sequence[Reply]) -> tuple[App, ...] | None:
    """Find the apps, in the file or where they were read; None: they could not be."""
    if settings.backends.apps.scheme == "memory":
        return settings.apps
    with suppress(StopIteration):
        return next(reply.apps for reply in replies if reply.apps is not None)
    return None
