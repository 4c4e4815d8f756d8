"""
What every test may ask for: real servers, each started once in a run when a test needs it.

Tests share these servers, even those which run side by side, so each keeps to names of its own:
keys and topics begin with `prefix`, tables are in `database_url`.  A test that kills, pauses,
configures or looks through a server starts its own from `tests.support.servers`.  A server that
cannot be had fails the tests which need it; none is skipped.
"""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, is_hypothesis_test, settings

from tests.support.servers import Certificates, NoServer, borrow, fresh_database, lending

# No limits in time: they fail when the machine is busy.  `make test` tries the same examples every
# time, so that a change does not fail by what others left; `--hypothesis-profile=search` tries new
# ones, and a mistake that it finds becomes an @example.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", PATIENT)
settings.register_profile("fanfare", PATIENT, derandomize=True)
settings.load_profile("fanfare")

# The slowest first: what is long must not begin when the other workers are about to end.
SLOWEST_FIRST = ("ensemble", "clients", "contract/eventlog", "contract", "conformance", "service")
WORKERS_PER_CORE = 1.5  # Tests of real servers wait for most of their time.

_TESTS = Path(__file__).parent
_END = pytest.StashKey[ExitStack]()
_LENT = pytest.StashKey[Path]()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return round((os.cpu_count() or 1) * WORKERS_PER_CORE)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where servers are lent: by the process that leads, which is this one."""
    stash = node.config.stash
    if _LENT not in stash:
        stash[_END] = ExitStack()
        stash[_LENT] = stash[_END].enter_context(lending())
    node.workerinput["lent"] = str(stash[_LENT])


def pytest_configure() -> None:
    """Let processes that tests start heed Ctrl-C, also where a shell started us in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _END in config.stash:
        config.stash[_END].close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the slowest first, if there are workers; coverage is that of unit tests with examples."""
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)
    if config.pluginmanager.hasplugin("_cov"):
        for item in items:
            if not item.path.is_relative_to(_TESTS / "unit") or _draws(item):
                item.add_marker("no_cover")


def _draws(item: pytest.Item) -> bool:
    """Tell whether it is a property test: those would take twice as long, and cover no more."""
    return is_hypothesis_test(getattr(item, "obj", None))


def _rank(item: pytest.Item) -> int:
    place = item.path.relative_to(_TESTS)
    ranks = (rank for rank, part in enumerate(SLOWEST_FIRST) if place.is_relative_to(part))
    return next(ranks, len(SLOWEST_FIRST))


@pytest.fixture(autouse=True)
def usual_logs() -> Iterator[None]:
    """Let a command that a test calls in this process set up logs for that test alone."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def prefix() -> str:
    """Return a name that no other test has, good for keys, topics, groups and databases."""
    return f"t{secrets.token_hex(6)}"


@pytest.fixture(scope="session")
def lent(pytestconfig: pytest.Config) -> Iterator[Path]:
    """Yield where the run's servers are lent: by whoever leads the workers, or by ourselves."""
    if hasattr(pytestconfig, "workerinput"):
        yield Path(pytestconfig.workerinput["lent"])
        return
    with lending() as directory:
        yield directory


@pytest.fixture(scope="session")
def certificates(lent: Path) -> Certificates:
    """Return the authority and the server certificate that all TLS servers of the run use."""
    return Certificates.at(lent)


@pytest.fixture(scope="session")
async def redis_url(lent: Path) -> str:
    """Return the URL of the run's Redis."""
    return await _borrowed(lent, "redis")


@pytest.fixture(scope="session")
async def kafka_url(lent: Path) -> str:
    """Return the URL of the run's Kafka: one broker, plain."""
    return await _borrowed(lent, "kafka")


@pytest.fixture(scope="session")
async def postgres_url(lent: Path) -> str:
    """Return the URL of the run's PostgreSQL, as a superuser.  Most tests want `database_url`."""
    return await _borrowed(lent, "postgres")


@pytest.fixture(scope="session")
async def redis_acl_url(lent: Path) -> str:
    """Return the URL of a Redis that admits one ACL user; the password needs quoting in a URL."""
    return await _borrowed(lent, "redis_acl")


@pytest.fixture(scope="session")
async def rediss_url(lent: Path) -> str:
    """Return the ``rediss://…?ca=`` URL of a Redis behind TLS."""
    return await _borrowed(lent, "rediss")


@pytest.fixture(scope="session")
async def redis_cluster_url(lent: Path) -> str:
    """Return the ``redis+cluster://`` URL of three masters."""
    return await _borrowed(lent, "redis_cluster")


@pytest.fixture(scope="session")
async def redis_sentinel_url(lent: Path) -> str:
    """Return the ``redis+sentinel://`` URL of a master and its replica, watched by one Sentinel."""
    return await _borrowed(lent, "redis_sentinel")


@pytest.fixture(scope="session")
async def kafka_secure_url(lent: Path) -> str:
    """Return the URL of a Kafka that wants TLS and SASL: `certificates`, KAFKA_USER, KAFKA_PASSWORD."""
    return await _borrowed(lent, "kafka_secure")


@pytest.fixture(scope="session")
async def postgres_tls_url(lent: Path) -> str:
    """Return the ``sslmode=verify-full`` URL of a PostgreSQL that speaks TLS only."""
    return await _borrowed(lent, "postgres_tls")


@pytest.fixture
async def database_url(postgres_url: str, prefix: str) -> AsyncIterator[str]:
    """Yield the URL of an empty database of the test's own."""
    async with fresh_database(postgres_url, prefix) as url:
        yield url


async def _borrowed(lent: Path, kind: str) -> str:
    try:
        return await asyncio.to_thread(borrow, lent, kind)
    except NoServer as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
