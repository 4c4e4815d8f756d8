"""Deployments and clients for the journeys."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.deployment import Deployment, in_many, in_one_process
from tests.support.pusherjs import Driver, driver
from tests.support.servers import fresh_database


@pytest.fixture
async def node() -> AsyncIterator[Driver]:
    async with driver() as running:
        yield running


@pytest.fixture
def room() -> str:
    """Return a number that no other test uses: journeys share deployments."""
    return str(secrets.randbelow(10**12))


@pytest.fixture(params=["one", "many"])
def deployment(request: pytest.FixtureRequest) -> Deployment:
    """Return each deployment in its turn."""
    running: Deployment = request.getfixturevalue(request.param)
    return running


@pytest.fixture(scope="session")
async def one(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """Yield a deployment of one process on memory."""
    async with in_one_process(tmp_path_factory.mktemp("one"), _prefix()) as running:
        yield running


@pytest.fixture(scope="session")
async def many(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str, kafka_url: str, postgres_url: str
) -> AsyncIterator[Deployment]:
    """Yield a deployment of many processes on real servers."""
    directory, prefix = tmp_path_factory.mktemp("many"), _prefix()
    async with (
        fresh_database(postgres_url, prefix) as database,
        in_many(directory, prefix, redis=redis_url, kafka=kafka_url, postgres=database) as running,
    ):
        yield running


@pytest.fixture
async def fragile(
    tmp_path: Path, prefix: str, redis_url: str, kafka_url: str, database_url: str
) -> AsyncIterator[Deployment]:
    """Yield a deployment of many processes that the test may break."""
    async with in_many(
        tmp_path, prefix, redis=redis_url, kafka=kafka_url, postgres=database_url
    ) as running:
        yield running


def _prefix() -> str:
    return f"t{secrets.token_hex(6)}"
