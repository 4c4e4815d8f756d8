"""
The metrics of a process: whoever counts is asked when somebody wants to know.

Nothing is copied in between: what is counted are plain numbers of those who count, and the same
metrics serve whoever scrapes and whoever is sent it.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import structlog

from libs.common.telemetry.metrics.families import Metric

log = structlog.get_logger()


class Measured(Protocol):
    """A part of the process that counts."""

    def metrics(self) -> Iterable[Metric]:
        """Read what it counts; quick, as everything waits meanwhile."""


class Registry:
    """
    All that counts in one process.

    Args:
        parts: In the order in which they are shown; no two have the same family.
    """

    def __init__(self, parts: Sequence[Measured]) -> None:
        self._parts = parts

    def read(self) -> list[Metric]:
        """
        Read all metrics now.

        A part with a fault is left out, and said: it must hide no other's numbers.
        """
        found: list[Metric] = []
        for part in self._parts:
            try:
                found += part.metrics()
            except Exception:
                log.exception("metrics.failed", part=type(part).__name__)
        return found
