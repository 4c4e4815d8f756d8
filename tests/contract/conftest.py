"""What contract suites share."""

from collections.abc import AsyncIterator, Iterator, Sequence

import pytest
from structlog.testing import capture_logs

from libs.common.bus.port import Bus
from tests.support.fakes.logs import Logs
from tests.support.ports.buses import MEMORY, processes
from tests.support.ports.rosters import (
    CHANNEL,
    LONG,
    Deployment,
    Ear,
    RedisProcess,
    deployment,
    redis_process,
)

BACKENDS = {
    "memory": MEMORY,
    "redis": "redis_url",
    "cluster": "redis_cluster_url",
    "cluster-sharded": "redis_cluster_url#sharded",
    "sentinel": "redis_sentinel_url",
}


@pytest.fixture(params=list(BACKENDS.values()), ids=list(BACKENDS))
def bus_url(request: pytest.FixtureRequest) -> str:
    """Name the backend, and behind a # how feeds are announced and heard."""
    fixture, _, way = request.param.partition("#")
    url = MEMORY if fixture == MEMORY else str(request.getfixturevalue(fixture))
    return f"{url}#{way}" if way else url


@pytest.fixture
async def buses(bus_url: str, prefix: str) -> AsyncIterator[Sequence[Bus]]:
    """Yield one bus as two processes have it."""
    async with processes(bus_url, prefix) as opened:
        yield opened


@pytest.fixture
def bus(buses: Sequence[Bus]) -> Bus:
    """Return the bus as the first process has it."""
    return buses[0]


@pytest.fixture(
    params=[MEMORY, "redis_url", "redis_cluster_url"], ids=["memory", "redis", "cluster"]
)
def roster_url(request: pytest.FixtureRequest) -> str:
    """Name the backend."""
    return MEMORY if request.param == MEMORY else str(request.getfixturevalue(request.param))


@pytest.fixture
async def site(roster_url: str, prefix: str) -> AsyncIterator[Deployment]:
    """Yield a deployment whose gateways g1 and g2 have leases."""
    async with deployment(roster_url, prefix) as site:
        await site.leases.renew("g1", ttl=LONG)
        await site.other_leases.renew("g2", ttl=LONG)
        yield site


@pytest.fixture
async def ear(site: Deployment) -> AsyncIterator[Ear]:
    """Yield an ear that hears what is announced in `CHANNEL`."""
    async with site.ear(CHANNEL) as ear:
        yield ear


@pytest.fixture
async def one(redis_url: str, prefix: str) -> AsyncIterator[RedisProcess]:
    """Yield one process of the deployment on Redis, to look at its keys."""
    async with redis_process(redis_url, prefix) as one:
        await one.leases.renew("g1", ttl=LONG)
        yield one


@pytest.fixture
def logs() -> Iterator[Logs]:
    """Yield what is logged."""
    with capture_logs() as logs:
        yield logs
