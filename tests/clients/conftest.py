"""Deployments and clients for the journeys."""

import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from tests.clients.sdks import NodeSdk, PythonSdk, Sdk
from tests.support.clients.back_ends import BackEnd, back_end
from tests.support.clients.pusherjs import Driver, driver
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deployments.deployment import KEY, SECRET, Deployment, in_many, in_one_process
from tests.support.servers import fresh_database

APP = App(id="1", key=KEY, secrets=(Secret(SECRET),))


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


@pytest.fixture
async def guests(deployment: Deployment) -> AsyncIterator[tuple[Visitor, Visitor]]:
    """Yield a plain client of each gateway."""
    async with visitors(APP) as visitor:
        ann, bob = visitor(), visitor()
        for guest, gateway in zip((ann, bob), deployment.gateways, strict=True):
            await guest.connect(gateway.url)
        yield ann, bob


@pytest.fixture
async def back() -> AsyncIterator[BackEnd]:
    """Yield a back end of the app."""
    async with back_end(APP) as made:
        yield made


@pytest.fixture(params=["python", "npm"])
def sdk_with(
    request: pytest.FixtureRequest, deployment: Deployment, node: Driver
) -> Callable[[str], Sdk]:
    """Return what sets up each SDK in its turn, with a secret."""
    if request.param == "python":
        return lambda secret: PythonSdk(deployment, secret)
    return lambda secret: NodeSdk(node, deployment, secret, name=secret)


@pytest.fixture
def sdk(sdk_with: Callable[[str], Sdk]) -> Sdk:
    """Return each SDK in its turn."""
    return sdk_with(SECRET)


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
