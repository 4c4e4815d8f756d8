"""
A deployment as its processes tell of it: who is there, who is not, and what is away.

Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from libs.common.board.port import BoardEntry
from libs.common.board.process_state import ProcessState, understood
from libs.common.rfc3339 import text_of

UNKNOWN = ProcessState(node="?")  # Of a release that tells of itself otherwise.


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldProcess:
    """
    A process, and what it told last.

    Attributes:
        process: Its name on the board.
        state: What it told.
        told_at: When; UTC epoch seconds of the reader's clock.
        is_silent: Whether it should have told again since.
    """

    process: str
    state: ProcessState
    told_at: float
    is_silent: bool

    @property
    def condition(self) -> str:
        """How it is, in a word."""
        return "silent" if self.is_silent else self.state.phase


@dataclass(frozen=True, slots=True)
class Deployment:
    """
    All its processes at one moment.

    Attributes:
        nodes: In order of place and start.
        at: The moment; UTC epoch seconds.
    """

    nodes: tuple[ToldProcess, ...]
    at: float

    @property
    def is_well(self) -> bool:
        """Whether every process answers, and has all of the deployment's own that it uses."""
        return bool(self.nodes) and not any(
            node.is_silent or any(away.is_own for away in node.state.away) for node in self.nodes
        )

    def total(self, service: str, figure: str) -> int:
        """Add up a number of all processes that answer and run a service."""
        return sum(
            node.state.services.get(service, {}).get(figure, 0)
            for node in self.nodes
            if not node.is_silent
        )

    def json(self) -> dict[str, Any]:
        """Return it as plain values; instants are RFC 3339."""
        return {
            "ok": self.is_well,
            "at": text_of(self.at),
            "processes": [_plain(node) for node in self.nodes],
        }


def deployment(entries: Iterable[BoardEntry], *, now: float) -> Deployment:
    """
    Put together what stands on the board.

    Who is silent, and has a successor in its place, is left out: it crashed and was started again.

    Args:
        entries: As they were read.
        now: When; UTC epoch seconds.
    """
    nodes = [
        ToldProcess(
            process=entry.process,
            state=understood(entry.text) or UNKNOWN,
            told_at=now - entry.age,
            is_silent=entry.is_silent,
        )
        for entry in entries
    ]
    kept = [node for node in nodes if not (node.is_silent and _is_replaced(node, nodes))]
    return Deployment(tuple(sorted(kept, key=lambda n: (n.state.node, n.state.started_at))), now)


def _is_replaced(gone: ToldProcess, nodes: Sequence[ToldProcess]) -> bool:
    return any(
        node.state.node == gone.state.node != UNKNOWN.node
        and not node.is_silent
        and node.state.started_at > gone.state.started_at
        for node in nodes
    )


def _plain(node: ToldProcess) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(node.state)
    away = [each | {"since": text_of(each["since"])} for each in told["away"]]
    started_at = text_of(node.state.started_at)
    silent_since = text_of(node.told_at) if node.is_silent else None
    whole = {"process": node.process, **told, "started_at": started_at, "away": away}
    return whole | {
        "silent": node.is_silent,
        "silent_since": silent_since,
        "told_at": text_of(node.told_at),
    }
