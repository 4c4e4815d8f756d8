"""
What it costs to be watched: a delivery of a gateway that is scraped, beside one that is not.

Two gateways of the same code serve the same number of clients, in turn, so that what disturbs one
disturbs the other.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import fmean

import aiohttp

from bench.deployment import Deployment
from bench.fanout import EVENTS, WARM_UP, gateway
from bench.figures import Sample
from bench.workers import cpu_seconds

INTERVAL = 5.0  # Seconds between two scrapes.
TURNS = 12  # Of each gateway.
SCRAPES = 20  # Whose CPU time is measured alone.


async def measure(deployment: Deployment) -> Sample:
    """Measure single events, and scrapes alone."""
    async with (
        deployment.bus() as bus,
        gateway(deployment, bus, "watched") as (watched, url),
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
