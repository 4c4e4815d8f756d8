"""The program's metrics: what is scraped and what is sent by OTLP is the same, and neither keeps it from its work."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from tests.support.clients.visitors import visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.program import ROOT, Program, program
from tests.support.documents.metrics import families
from tests.support.fakes.otlp_receiver import FakeReceiver, metrics_of

APP = App(id="1", key="app-key", secrets=(Secret("app-secret"),))
NAMES = {family.name for few in families().values() for family in few}


@pytest.fixture
async def receiver() -> AsyncIterator[FakeReceiver]:
    fake = FakeReceiver()
    async with fake.listening():
        yield fake


@pytest.fixture
async def running(receiver: FakeReceiver, tmp_path: Path) -> AsyncIterator[Program]:
    """All four services on memory, which send their metrics often."""
    environ = {
        "FANFARE_TELEMETRY_OTLP_ENDPOINT": receiver.url,
        "FANFARE_TELEMETRY_OTLP_INTERVAL": "0.05",
        "FANFARE_TELEMETRY_OTLP_TIMEOUT": "30",
    }
    config = ROOT / "deploy" / "dev.toml"
    async with program(config=config, log=tmp_path / "log", environ=environ) as started:
        yield started


async def scraped(running: Program) -> dict[str, Metric]:
    """Scrape, and return the families by name; of counters without ``_total``."""
    async with (
        asyncio.timeout(DEADLINE),
        aiohttp.ClientSession() as http,
        http.get(f"{running.internal_url}/metrics") as response,
    ):
        return {each.name: each for each in text_string_to_metric_families(await response.text())}


def number(scrape: dict[str, Metric], name: str, **labels: str) -> float:
    (value,) = (one.value for one in scrape[name].samples if labels.items() <= one.labels.items())
    return float(value)


class TestProgram:
    """All services, in a process as operators start it."""

    async def test_both_ways(self, running: Program, receiver: FakeReceiver) -> None:
        """
        What is scraped and what is sent has the names that docs/metrics.md has.
        """
        taken = metrics_of(await receiver.taken())
        scrape = await scraped(running)

        shown = {name if name in NAMES else f"{name}_total" for name in scrape}
        assert shown == NAMES
        assert {*taken} <= NAMES

    async def test_clients(self, running: Program) -> None:
        """
        Who is connected is counted, and so is who has gone.
        """
        async with visitors(APP) as visitor:
            one, other = visitor(), visitor()
            await one.connect(running.url)
            await other.connect(running.url)
            await one.leave()
            async with asyncio.timeout(DEADLINE):
                while number(scrape := await scraped(running), "fanfare_connections") != 1:
                    await asyncio.sleep(0.02)

        assert number(scrape, "fanfare_connections_opened") == 2
        assert number(scrape, "fanfare_connections_closed", code="1000") == 1

    async def test_receiver_hangs(self, running: Program, receiver: FakeReceiver) -> None:
        """
        One request is under way, and nobody waits for it: neither who scrapes nor the end.
        """
        receiver.answers.clear()
        await receiver.taken()
        first = number(await scraped(running), "fanfare_process_cpu_seconds")
        second = number(await scraped(running), "fanfare_process_cpu_seconds")

        assert second >= first
        assert await running.stop() == 0

    async def test_reloaded(self, running: Program) -> None:
        running.send(signal.SIGHUP)
        async with asyncio.timeout(DEADLINE):
            while not number(
                scrape := await scraped(running), "fanfare_config_reloads", result="adopted"
            ):
                await asyncio.sleep(0.02)

        assert number(scrape, "fanfare_config_reloads", result="refused") == 0
