"""How this process is, for the board: put together of its server, its health and its services."""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from libs.common.board.process_state import (
    MOST_AWAY,
    MOST_REASON,
    AwayBackend,
    Phase,
    ProcessState,
    written,
)
from libs.common.web.server import Server


class Figured(Protocol):
    """A service that operators watch."""

    name: str

    def figures(self) -> Mapping[str, int]:
        """Return what operators watch, by name; it costs next to nothing."""


def telling(server: Server, services: Sequence[Figured]) -> Callable[[], bytes]:
    """Return what says how a process is now, as the board takes it."""
    started_at = time.time()
    return lambda: written(state_of_process(server, services, started_at=started_at))


def state_of_process(
    server: Server, services: Sequence[Figured], *, started_at: float
) -> ProcessState:
    """Say how a process is now; ``started_at`` is in UTC epoch seconds."""
    absences = server.health.absences()[:MOST_AWAY]
    public = server.bound.public if server.bound else tuple(server.public)
    internal = server.bound.internal if server.bound else tuple(server.internal)
    return ProcessState(
        node=node_of(server),
        pid=os.getpid(),
        version=server.version,
        started_at=started_at,
        phase=_phase(server),
        services={service.name: dict(service.figures()) for service in services},
        waits_for=server.health.missing,
        away=tuple(
            AwayBackend(
                name=each.name,
                since=each.since,
                reason=each.reason[:MOST_REASON],
                is_own=each.is_own,
            )
            for each in absences
        ),
        listen=tuple(map(str, public)),
        internal=tuple(map(str, internal)),
    )


def names_of(server: Server, process: str) -> set[str]:
    """
    Return what a process may be called by: its place, its machine, what it runs.

    Args:
        server: The process.
        process: Its name on the board.
    """
    node = node_of(server)
    services = {service.name for service in server.services}
    return {process, node, node.rpartition(":")[0]} | services


def node_of(server: Server) -> str:
    """Say where a process is: the machine's name, and the port of its public address."""
    public = server.bound.public if server.bound else tuple(server.public)
    return f"{socket.gethostname()}:{public[0].port}"


def _phase(server: Server) -> Phase:
    if server.is_draining:
        return "draining"
    return "ready" if server.is_ready else "starting"
