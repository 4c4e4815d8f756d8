"""
What every process tells of itself in numbers: memory, files, pauses, its release, its backends.

Memory and files are read from ``/proc``; where there is none, they are left out.
"""

import asyncio
import gc
import os
import platform
import resource
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import structlog

from libs.common.outage import standings
from libs.common.rates.limited import LIMITS, refusals_by_limit
from libs.common.telemetry.logs import dropped_lines
from libs.common.telemetry.metrics.families import Metric, counter, gauge, histogram
from libs.common.telemetry.metrics.histogram import Histogram

log = structlog.get_logger()

PROC = Path("/proc/self")
LOOK = 0.5  # Seconds from one measurement of the event loop's lag to the next.
HELD = 1.0  # Seconds of lag from which on the log tells of it.

BUILD = gauge("fanfare_build_info", "1; which release runs, on which Python.", "version", "python")
START = gauge("fanfare_process_start_time_seconds", "When the process began, UTC epoch.")
CPU = counter("fanfare_process_cpu_seconds_total", "CPU time of the process, user and system.")
RESIDENT = gauge("fanfare_process_resident_memory_bytes", "Memory that the process occupies.")
OPEN_FILES = gauge("fanfare_process_open_fds", "Open files, connections included.")
MOST_FILES = gauge("fanfare_process_max_fds", "Files that may be open; 0: any number.")
LOOP_LAG = histogram(
    "fanfare_event_loop_lag_seconds",
    "How late the event loop comes to what is due, measured twice a second: what everybody in "
    "the process waits.",
)
LOOP_HELD = counter(
    "fanfare_event_loop_held_seconds_total",
    "Seconds for which the event loop was held for more than one at a time: `loop.held`.",
)
GC_PAUSES = histogram("fanfare_gc_pause_seconds", "Pauses for the collection of garbage.")
RELOADS = counter(
    "fanfare_config_reloads_total",
    "Times that the rules were read again (SIGHUP): `adopted`, or `refused` for a mistake.",
    "result",
)
LINES_DROPPED = counter(
    "fanfare_log_lines_dropped_total", "Lines of the log that were lost, as nobody read them."
)
BACKEND_UP = gauge(
    "fanfare_backend_up",
    "1 while the backend answers this process; 0 while it is away, or for `webhook` one of the "
    "receivers is. Of one that the process has not asked yet, and never asks, nothing is told.",
    "backend",
)
BACKEND_OUTAGES = counter(
    "fanfare_backend_outages_total", "Times that the backend went away: `backend.lost`.", "backend"
)
RATE_LIMITED = counter(
    "fanfare_rate_limited_total",
    "Requests, client events, subscribes and connections that were refused as a limit was reached, "
    "by its name in the settings: those of an app's `limits`, `requests_per_address`, "
    "`requests_per_user` and `unknown_tokens` of auth, `max_connections`, `frames`, `memory_soft` "
    "and `memory_hard` of a gateway, and `message_timeout` of a server; and subscribes that had to "
    "wait: `subscribes`, `new_channels_per_address` and `new_channels` of a gateway.",
    "limit",
)


class ProcessMetrics:
    """
    The numbers of this process.

    Args:
        version: The release.

    Attributes:
        reloads: How often rules were read again, by result.
    """

    def __init__(self, version: str) -> None:
        self._build = (version, platform.python_version())
        self._started_at = time.time()
        self._lag = Histogram()
        self._held = 0.0
        self._pauses = Histogram()
        self.reloads = {"adopted": 0, "refused": 0}

    async def run(self) -> None:
        """Measure pauses until cancelled."""
        now = asyncio.get_running_loop().time
        with _timing_collections(self._pauses):
            while True:
                due, worked = now() + LOOK, time.thread_time()
                await asyncio.sleep(LOOK)
                self._measured(max(0.0, now() - due), cpu=time.thread_time() - worked)

    def _measured(self, lag: float, *, cpu: float) -> None:
        """Take a measurement, in seconds, and how much of it the loop's thread was at work."""
        self._lag.record(lag)
        if lag >= HELD:
            self._held += lag
            log.warning("loop.held", seconds=round(lag, 3), cpu=round(cpu, 3))

    def metrics(self) -> Iterator[Metric]:
        """See `Measured.metrics`."""
        yield BUILD.by({self._build: 1})
        yield START.of(self._started_at)
        yield CPU.of(time.process_time())
        yield RESIDENT.of(_resident())
        yield OPEN_FILES.of(_open_files())
        yield MOST_FILES.of(_most_files())
        yield LOOP_LAG.of(self._lag)
        yield LOOP_HELD.of(self._held)
        yield GC_PAUSES.of(self._pauses)
        yield RELOADS.by(self.reloads)
        yield LINES_DROPPED.of(dropped_lines())
        found = standings()
        asked = {name: each.is_up for name, each in found.items() if each.is_up is not None}
        yield BACKEND_UP.by({name: int(is_up) for name, is_up in asked.items()})
        yield BACKEND_OUTAGES.by({name: each.outages for name, each in found.items()})
        yield RATE_LIMITED.by(refusals_by_limit(), known=LIMITS)


@contextmanager
def _timing_collections(pauses: Histogram) -> Iterator[None]:
    began = 0.0

    def note(phase: str, _: Mapping[str, int]) -> None:
        nonlocal began
        if phase == "start":
            began = time.perf_counter()
        else:
            pauses.record(time.perf_counter() - began)

    gc.callbacks.append(note)
    try:
        yield
    finally:
        gc.callbacks.remove(note)


def _resident() -> int | None:
    try:
        pages = (PROC / "statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return None
    return int(pages) * resource.getpagesize()


def _open_files() -> int | None:
    try:
        return len(os.listdir(PROC / "fd"))  # noqa: PTH208 - no path for each connection.
    except OSError:
        return None


def _most_files() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if soft == resource.RLIM_INFINITY else soft
