"""Each port on PostgreSQL says that it cannot be used, and why, in the words of the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.marks.postgres import PostgresMarks
from libs.common.memberships.postgres import PostgresMemberships
from libs.common.memberships.postgres_query import QueriedMemberships
from libs.common.postgres.migrate import migrate, migrations
from libs.common.sightings.postgres import PostgresSightings
from libs.common.web.health import Check, state_of
from tests.support.deadline import DEADLINE
from tests.support.ports import sightings
from tests.support.ports.apps import operated, postgres_apps
from tests.support.ports.memberships import ANN, connected, cut_off
from tests.support.servers.ports import free_port

PORTS = ("apps", "memberships", "sightings", "marks")  # As outages name them.


@asynccontextmanager
async def ports(url: str) -> AsyncIterator[dict[str, Check]]:
    """Yield the question of each port on a database."""
    apps = postgres_apps(url)
    async with (
        apps.opened(),
        connected(url) as connection,
        sightings.connected(url) as other,
        sightings.connected(url, "marks", pool_size=1) as third,
    ):
        yield {
            "apps": apps.check,
            "memberships": PostgresMemberships(connection).check,
            "sightings": PostgresSightings(other).check,
            "marks": PostgresMarks(third, 10).check,
        }


async def states(checks: dict[str, Check]) -> dict[str, str]:
    """Ask all ports."""
    return {name: await state_of(check) for name, check in checks.items()}


async def become_well(checks: dict[str, Check]) -> None:
    """Wait until all are: a listener connects again by itself."""
    async with asyncio.timeout(DEADLINE):
        while set((await states(checks)).values()) != {"ok"}:
            await asyncio.sleep(0)


async def test_cut_off(database_url: str) -> None:
    """Each outage is told while it lasts, and is one line when it begins and one when it ends."""
    await migrate(Url(database_url))
    with capture_logs() as logs:
        async with ports(database_url) as checks:
            before = await states(checks)
            async with cut_off(database_url):
                for _ in range(3):
                    during = await states(checks)
            await become_well(checks)

    assert set(before.values()) == {"ok"}
    for said in during.values():
        assert said.startswith("away: ")
        assert "not currently accepting connections" in said
    for backend in PORTS:
        told = [line["event"] for line in logs if line.get("backend") == backend]
        assert sorted(told) == ["backend.found", "backend.lost"]


async def test_not_migrated(database_url: str) -> None:
    """A database without the tables is of no use, and what to do is told; migrated it is there by itself."""
    async with ports(database_url) as checks:
        for said in (await states(checks)).values():
            assert said.endswith("run fanfare migrate")

        await migrate(Url(database_url))

        await become_well(checks)


async def test_half_migrated(database_url: str) -> None:
    """So is one of an older release; this one must not take the place of what works."""
    steps = migrations()
    await migrate(Url(database_url), steps=steps[:-1])
    async with ports(database_url) as checks:
        said = await states(checks)
        lacks = f"away: fanfare_migrations lacks {steps[-1].name}; run fanfare migrate"
        assert said["memberships"] == said["marks"] == lacks
        assert said["apps"].startswith("away: ")
        assert said["apps"].endswith("run fanfare migrate")  # Whose table lacks a column.


async def test_read_only(database_url: str) -> None:
    """A replica serves who reads; who writes is refused, which is told until that is over."""
    await migrate(Url(database_url))
    name = urlsplit(database_url).path.removeprefix("/")
    async with connected(database_url, pool_size=1) as connection:
        memberships = PostgresMemberships(connection)
        with capture_logs() as logs:
            async with operated(database_url) as operator:
                await operator.execute(
                    f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'
                )
                with pytest.raises(Unavailable):
                    await memberships.put([ANN])
                for _ in range(2):
                    assert not await memberships.has(ANN)
                    refused = await state_of(memberships.check)
                await operator.execute("SET default_transaction_read_only = off")
                await operator.execute(
                    f'ALTER DATABASE "{name}" RESET default_transaction_read_only'
                )
                await operator.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = $1 AND pid <> pg_backend_pid()",
                    name,
                )
            with_a_new_connection = await state_of(memberships.check)
            again = await state_of(memberships.check)

    assert refused == "away: cannot execute INSERT in a read-only transaction"
    assert "ok" in (with_a_new_connection, again)
    assert [line["event"] for line in logs] == ["backend.lost", "backend.found"]


async def test_not_allowed(database_url: str, prefix: str) -> None:
    """A role that may not read the tables is told so."""
    await migrate(Url(database_url))
    async with operated(database_url) as operator:
        await operator.execute(f"CREATE ROLE {prefix} LOGIN PASSWORD 'pass'")
        try:
            parts = urlsplit(database_url)
            url = parts._replace(netloc=f"{prefix}:pass@{parts.hostname}:{parts.port}").geturl()
            async with ports(url) as checks:
                told = await states(checks)
        finally:
            await operator.execute(f"DROP ROLE {prefix}")

    assert told == {
        "apps": "away: permission denied for table fanfare_apps",
        "memberships": "away: permission denied for table fanfare_memberships",
        "sightings": "away: permission denied for table fanfare_sightings",
        "marks": "away: permission denied for table fanfare_marks",
    }


@pytest.mark.parametrize(
    "url,reason",
    [
        ("postgresql://u:secret@127.0.0.1:{port}/db", "Connect call failed"),
        ("postgresql://u:secret@no-such-host.invalid/db", "Name or service not known"),
        ("{server}/no_such_database", 'database "no_such_database" does not exist'),
    ],
)
async def test_never_reached(url: str, reason: str, postgres_url: str) -> None:
    """A wrong URL is told with what the way to it answered, and without the password."""
    server = postgres_url.rpartition("/")[0]
    async with ports(url.format(port=free_port(), server=server)) as checks:
        for said in (await states(checks)).values():
            assert said.startswith("away: ")
            assert reason in said
            assert "secret" not in said


@pytest.mark.parametrize(
    "query,state",
    [
        ("SELECT true", "ok"),
        ("SELECT", "away: the query has no column"),
        ("SELECT nonsense", 'away: column "nonsense" does not exist'),
        ("SELECT 1 FROM nowhere", 'away: relation "nowhere" does not exist'),
    ],
)
async def test_query(database_url: str, query: str, state: str) -> None:
    """A query of the operator's must be one that PostgreSQL understands."""
    async with connected(database_url) as connection:
        said = await state_of(QueriedMemberships(connection, query).check)

    assert said == state
