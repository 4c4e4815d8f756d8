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
        node=f"{socket.gethostname()}:{public[0].port}",
        pid=os.getpid(),
        version=server.version,
        started_at=started_at,
        phase=_phase(server),
        services={service.name: dict(service.figures()) for service in services},
        waits_for=server.health.missing,
        away=tuple(
            AwayBackend(name=each.name, since=each.since, reason=each.reason[:MOST_REASON])
            for each in absences
        ),
        listen=tuple(map(str, public)),
        internal=tuple(map(str, internal)),
    )


def _phase(server: Server) -> Phase:
    if server.is_draining:
        return "draining"
    return "ready" if server.is_ready else "starting"
