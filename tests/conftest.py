"""
What every test may ask for: real servers, each started once when the first test needs it.

Tests share these servers, so each keeps to names of its own: keys and topics begin with `prefix`,
tables are in `database_url`.  A test that kills, pauses or configures a server starts its own from
`tests.support.servers`.  A server that cannot be had fails the tests which need it; none is skipped.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, settings

from tests.support.servers import (
    Certificates,
    NoServer,
    Server,
    fresh_database,
    kafka_server,
    postgres_server,
    redis_cluster,
    redis_sentinel,
    redis_server,
    shared,
)

# No limits in time: they fail when the machine is busy.  `make test` tries the same examples every
# time, so that a change does not fail by what others left; `--hypothesis-profile=search` tries new
# ones, and a mistake that it finds becomes an @example.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", PATIENT)
settings.register_profile("fanfare", PATIENT, derandomize=True)
settings.load_profile("fanfare")


@pytest.fixture
def prefix() -> str:
    """Return a name that no other test has, good for keys, topics, groups and databases."""
    return f"t{secrets.token_hex(6)}"


@pytest.fixture(scope="session")
async def redis_url() -> AsyncIterator[str]:
    """Yield the URL of the run's Redis."""
    async with _shared("redis") as url:
        yield url


@pytest.fixture(scope="session")
async def kafka_url() -> AsyncIterator[str]:
    """Yield the URL of the run's Kafka: one broker, plain."""
    async with _shared("kafka") as url:
        yield url


@pytest.fixture(scope="session")
async def postgres_url() -> AsyncIterator[str]:
    """Yield the URL of the run's PostgreSQL, as a superuser.  Most tests want `database_url`."""
    async with _shared("postgres") as url:
        yield url


@pytest.fixture
async def database_url(postgres_url: str, prefix: str) -> AsyncIterator[str]:
    """Yield the URL of an empty database of the test's own."""
    async with fresh_database(postgres_url, prefix) as url:
        yield url


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return the authority and the server certificate that all TLS servers of the run use."""
    return Certificates.issue(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
async def redis_acl_url() -> AsyncIterator[str]:
    """Yield the URL of a Redis that admits one ACL user; the password needs quoting in a URL."""
    async with redis_server(user="fanfare", password="pass:w@rd/#1") as server:
        yield server.url


@pytest.fixture(scope="session")
async def rediss_url(certificates: Certificates) -> AsyncIterator[str]:
    """Yield the ``rediss://…?ca=`` URL of a Redis behind TLS."""
    async with redis_server(certificates=certificates) as server:
        yield server.url


@pytest.fixture(scope="session")
async def redis_cluster_url() -> AsyncIterator[str]:
    """Yield the ``redis+cluster://`` URL of three masters."""
    async with redis_cluster() as cluster:
        yield cluster.url


@pytest.fixture(scope="session")
async def redis_sentinel_url() -> AsyncIterator[str]:
    """Yield the ``redis+sentinel://`` URL of a master and its replica, watched by one Sentinel."""
    async with redis_sentinel() as sentinel:
        yield sentinel.url


@pytest.fixture(scope="session")
async def kafka_secure(certificates: Certificates) -> AsyncIterator[Server]:
    """Yield a Kafka that wants TLS and SASL; `certificates`, KAFKA_USER and KAFKA_PASSWORD fit."""
    async with kafka_server(certificates=certificates) as server:
        yield server


@pytest.fixture(scope="session")
async def postgres_tls_url(certificates: Certificates) -> AsyncIterator[str]:
    """Yield the ``sslmode=verify-full`` URL of a PostgreSQL that speaks TLS only."""
    async with postgres_server(certificates=certificates) as server:
        yield server.url


@asynccontextmanager
async def _shared(kind: str) -> AsyncIterator[str]:
    try:
        async with shared(kind) as url:
            yield url
    except NoServer as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
