"""What every process tells of itself."""

import asyncio
import gc
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from libs.common.outage import Outage
from libs.common.telemetry.metrics import process
from libs.common.telemetry.metrics.histogram import Histogram
from libs.common.telemetry.metrics.process import ProcessMetrics
from tests.support.deadline import DEADLINE


def told(measured: ProcessMetrics, name: str) -> dict[tuple[str, ...], Any]:
    """Return the values of a family, by labels."""
    (found,) = (each for each in measured.metrics() if each.family.name == f"fanfare_{name}")
    return dict(found.values)


def test_resources() -> None:
    measured = ProcessMetrics("1.2.3")

    assert told(measured, "process_resident_memory_bytes")[()] > 1_000_000
    assert 2 < told(measured, "process_open_fds")[()] < 1_000_000
    assert told(measured, "process_cpu_seconds_total")[()] > 0


def test_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where the system does not tell, nothing is told.
    """
    monkeypatch.setattr(process, "PROC", process.PROC / "nowhere")
    measured = ProcessMetrics("1.2.3")

    assert told(measured, "process_resident_memory_bytes") == {}
    assert told(measured, "process_open_fds") == {}


def test_build() -> None:
    ((version, python),) = told(ProcessMetrics("1.2.3"), "build_info")

    assert version == "1.2.3"
    assert python.startswith("3.")


def test_backends() -> None:
    """
    Whatever talks to a backend is looked at: one that finds it away is enough.
    """
    measured = ProcessMetrics("1.2.3")
    one, other = Outage("test/backend"), Outage("test/backend")

    one.lost("gone")
    other.lost("gone")
    other.found()

    assert told(measured, "backend_up")["test/backend",] == 0
    assert told(measured, "backend_outages_total")["test/backend",] == 2
    one.found()
    assert told(measured, "backend_up")["test/backend",] == 1


def test_backend_that_is_not_asked() -> None:
    """
    Nothing is said of whether it is up before somebody asked it; its outages are counted from zero.
    """
    measured = ProcessMetrics("1.2.3")
    idle, asked = Outage("test/idle"), Outage("test/asked")
    asked.found()

    up, outages = told(measured, "backend_up"), told(measured, "backend_outages_total")

    assert {name for (name,) in up if name in {"test/idle", "test/asked"}} == {"test/asked"}
    assert (up["test/asked",], outages["test/idle",], outages["test/asked",]) == (1, 0, 0)
    assert not idle.is_away


def test_forgotten_backend() -> None:
    """
    Its outages stay counted when nobody talks to it any more, and nothing else is said of it.
    """
    Outage("test/forgotten").lost("gone")
    gc.collect()

    measured = ProcessMetrics("1.2.3")

    assert ("test/forgotten",) not in told(measured, "backend_up")
    assert told(measured, "backend_outages_total")["test/forgotten",] == 1


async def test_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    While it runs, the loop's lag and the collector's pauses are measured; afterwards nothing is.
    """
    monkeypatch.setattr(process, "LOOK", 0.001)
    measured = ProcessMetrics("1.2.3")
    task = asyncio.create_task(measured.run())
    lag: Histogram = told(measured, "event_loop_lag_seconds")[()]
    pauses: Histogram = told(measured, "gc_pause_seconds")[()]

    async with asyncio.timeout(DEADLINE):
        while not lag.count or not pauses.count:
            gc.collect()
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task])
    before = pauses.count
    gc.collect()

    assert pauses.count == before


async def test_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A loop that was held says so once, with how long, and how much of that it was at work.
    """
    monkeypatch.setattr(process, "LOOK", 0.001)
    monkeypatch.setattr(process, "HELD", 0.05)
    measured = ProcessMetrics("1.2.3")
    with capture_logs() as logs:
        task = asyncio.create_task(measured.run())
        await asyncio.sleep(0)
        time.sleep(0.2)  # noqa: ASYNC251 - the loop is held.
        async with asyncio.timeout(DEADLINE):
            while not logs:
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])

    held = logs[0]
    assert (held["event"], held["log_level"]) == ("loop.held", "warning")
    assert held["seconds"] >= 0.15 > held["cpu"]
    assert told(measured, "event_loop_held_seconds_total")[()] >= 0.15
