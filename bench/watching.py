"""
What it costs to be watched: a delivery of a gateway that is scraped and traces, and without.

Two gateways of the same code serve the same number of clients, in turn, so that what disturbs one
disturbs the other.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from secrets import token_hex
from statistics import fmean

import aiohttp
from aiohttp import web

from bench.deployment import Deployment
from bench.fanout import EVENTS, WARM_UP, gateway
from bench.figures import Sample
from bench.workers import cpu_seconds

INTERVAL = 5.0  # Seconds between two scrapes.
TURNS = 12  # Of each gateway.
SAMPLED = 10  # Of so many events one is traced: a run has too few for one of a hundred.
SCRAPES = 20  # Whose CPU time is measured alone.

_TELEMETRY = '[telemetry]\notlp_endpoint = "{}"\n'


async def measure(deployment: Deployment) -> Sample:
    """Measure single events, and scrapes alone."""
    async with (
        deployment.bus() as bus,
        _receiver() as receiver,
        gateway(
            deployment, bus, "watched", more=_TELEMETRY.format(receiver), trace=_sampling()
        ) as (watched, url),
        gateway(deployment, bus, "alone") as (alone, _),
        aiohttp.ClientSession() as http,
    ):
        for server in (watched, alone):
            for _ in range(WARM_UP):
                await server.deliver(1)
        costs: list[tuple[float, float]] = []
        async with _scraping(http, url):
            for _ in range(TURNS):
                one = await watched.cost(events=1, times=EVENTS)
                costs.append((one, await alone.cost(events=1, times=EVENTS)))
        before = cpu_seconds(watched.pid)
        for _ in range(SCRAPES):
            await _scrape(http, url)
        scrape = (cpu_seconds(watched.pid) - before) / SCRAPES
    return {
        "watched_ratio": fmean(one for one, _ in costs) / fmean(other for _, other in costs),
        "scrape": scrape,
    }


def _sampling() -> Callable[[], str]:
    events = itertools.count(1)

    def trace() -> str:
        return "" if next(events) % SAMPLED else f"00-{token_hex(16)}-{token_hex(8)}-01"

    return trace


@asynccontextmanager
async def _receiver() -> AsyncIterator[str]:
    """Take all that is sent by OTLP; yield where."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/v1/{signal}", take)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _scraping(http: aiohttp.ClientSession, url: str) -> AsyncIterator[None]:
    async def scrape() -> None:
        while True:
            await _scrape(http, url)
            await asyncio.sleep(INTERVAL)

    async with asyncio.TaskGroup() as tasks:
        scraping = tasks.create_task(scrape())
        yield
        scraping.cancel()


async def _scrape(http: aiohttp.ClientSession, url: str) -> None:
    async with http.get(f"{url}/metrics") as response:
        response.raise_for_status()
        await response.read()
