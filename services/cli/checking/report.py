"""What `fanfare check` found, in words for people and as JSON for programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from libs.common.eventlog.kafka.inspection import KafkaCluster
from libs.common.postgres.inspection import PostgresServer
from libs.common.redis.inspection import RedisServer
from services.cli.checking.backends import Reply, Said
from services.cli.checking.remarks import Remark

_UNITS = ("B", "KB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Told:
    """A backend's reply, and what there is to say of it."""

    reply: Reply
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """
    What was found.

    Attributes:
        apps: How many there are; None: they are in PostgreSQL, which was not asked or is away.
        policies: How many there are.
        routes: How many there are.
        own: Of the settings and of this machine.
        backends: Those that were reached for.
    """

    apps: int | None
    policies: int
    routes: int
    own: tuple[Remark, ...]
    backends: tuple[Told, ...]

    @property
    def remarks(self) -> list[Remark]:
        """All of them, each with the backend that it is of; doubts come before errors."""
        of_backends = [
            Remark(f"{told.reply.backend}: {remark.text}", remark.is_error)
            for told in self.backends
            for remark in told.remarks
        ]
        return sorted([*self.own, *of_backends], key=lambda remark: remark.is_error)

    @property
    def errors(self) -> list[str]:
        """What must be mended."""
        return [remark.text for remark in self.remarks if remark.is_error]

    def json(self) -> str:
        """Write it as one object."""
        texts = {
            "errors": self.errors,
            "warnings": [remark.text for remark in self.remarks if not remark.is_error],
        }
        rules = {"apps": self.apps, "policies": self.policies, "routes": self.routes}
        backends = [_builtins(told) for told in self.backends]
        whole = {"ok": not self.errors, **rules, "backends": backends, **texts}
        return msgspec.json.encode(whole).decode()


def _builtins(told: Told) -> dict[str, Any]:
    reply = told.reply
    return {
        "settings": reply.backend.names,
        "url": str(reply.backend.url),
        "reached": reply.is_usable,
        "servers": reply.said if isinstance(reply.said, tuple) else [*filter(None, [reply.said])],
        "errors": [remark.text for remark in told.remarks if remark.is_error],
        "warnings": [remark.text for remark in told.remarks if not remark.is_error],
    }


def summary(report: CheckReport) -> Iterator[str]:
    """Yield what is good, a line each."""
    number = "apps in PostgreSQL" if report.apps is None else f"{report.apps} apps"
    yield (f"the settings are good: {number}, {report.policies} policies, {report.routes} routes")
    for told in report.backends:
        if told.reply.said is not None:
            yield f"{told.reply.backend}: {described(told.reply.said)}"
        elif told.reply.is_usable:
            yield f"{told.reply.backend}: it answers"


def described(said: Said) -> str:
    """Say in a line what a backend is."""
    match said:
        case PostgresServer():
            return f"PostgreSQL {said.version}, {_migrations(said)}"
        case KafkaCluster():
            return f"Kafka with {said.brokers} brokers and {len(said.topics)} topics"
        case _:
            return "; ".join(_redis(server, alone=len(said) == 1) for server in said)


def _migrations(server: PostgresServer) -> str:
    if server.pending is None:
        return "which does not tell this role its migrations"
    return f"{len(server.pending)} migrations to come" if server.pending else "up to date"


def _redis(server: RedisServer, *, alone: bool) -> str:
    name = "" if alone else f"{server.name} "
    memory = f"{size(server.used)} of {size(server.most) if server.most else 'any'}"
    disk = ["append-only file"] * server.appends + ["snapshots"] * bool(server.snapshots)
    role = "replica" if server.is_replica else f"{server.replicas} replicas"
    on_disk = " and ".join(disk) or "nothing on disk"
    return f"{name}Redis {server.version}, {memory}, {server.eviction}, {on_disk}, {role}"


def size(number: float) -> str:
    """Write a number of bytes."""
    for unit in _UNITS[:-1]:
        if number < 1000:  # Three digits have no exponent.
            return f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:.3g} {_UNITS[-1]}"
