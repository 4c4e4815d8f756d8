"""Deployments and clients for the journeys."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.deployment import Deployment, in_many, in_one_process
from tests.support.pusherjs import Driver, driver


@pytest.fixture
async def node() -> AsyncIterator[Driver]:
    async with driver() as running:
        yield running


@pytest.fixture(params=["memory", "real"])
async def deployment(
    request: pytest.FixtureRequest, tmp_path: Path, prefix: str
) -> AsyncIterator[Deployment]:
    """Yield each deployment in its turn."""
    if request.param == "memory":
        async with in_one_process(tmp_path, prefix) as running:
            yield running
    else:
        yield request.getfixturevalue("many")


@pytest.fixture
async def many(
    tmp_path: Path, prefix: str, redis_url: str, kafka_url: str, database_url: str
) -> AsyncIterator[Deployment]:
    """Yield a deployment of many processes on real servers."""
    async with in_many(
        tmp_path, prefix, redis=redis_url, kafka=kafka_url, postgres=database_url
    ) as running:
        yield running
