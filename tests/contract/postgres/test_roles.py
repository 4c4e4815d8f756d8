"""deploy/postgres/roles.sql, on a real PostgreSQL: the owner of the tables, and who reads and writes them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from libs.common.config.address import Url
from libs.common.postgres.migrate import migrate, migrations
from tests.support.deployments.composition import composition, secrets
from tests.support.deployments.roles import Roles, psql, roles
from tests.support.ports.apps import operated

SECRETS = secrets()
CONTAINERS = composition(SECRETS)["services"]
# What no service may do, as the superuser might.
FORBIDDEN = (
    "CREATE TABLE mine (id int)",
    "CREATE TEMPORARY TABLE mine (id int)",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE fanfare_apps ADD COLUMN mine int",
    "ALTER TABLE fanfare_apps DISABLE TRIGGER ALL",
    "DROP TABLE fanfare_marks",
    "TRUNCATE fanfare_apps",
    "SET ROLE {owner}",
    "ALTER ROLE {owner} PASSWORD 'mine'",
    "CREATE ROLE mine",
    "SELECT * FROM pg_authid",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY fanfare_apps TO PROGRAM 'cat'",
    "SELECT fanfare_removals_prune()",
    "ALTER SYSTEM SET log_statement = 'all'",
)
TABLES = "SELECT relname FROM pg_class WHERE relname LIKE 'fanfare\\_%' AND relkind = 'r'"
OWNERS = (
    "SELECT relowner::regrole::text FROM pg_class WHERE relname LIKE 'fanfare\\_%'"
    " UNION SELECT proowner::regrole::text FROM pg_proc WHERE proname LIKE 'fanfare\\_%'"
)


@pytest.fixture
async def made(database_url: str, prefix: str) -> AsyncIterator[Roles]:
    """Yield the roles of an empty database."""
    async with roles(database_url, CONTAINERS["roles"], prefix) as made:
        yield made


async def test_services(made: Roles) -> None:
    """Who serves reads and writes every table of ours, and can do nothing else."""
    await migrate(Url(made.owner))
    owner = made.owner.partition("://")[2].partition(":")[0]

    async with operated(made.services) as service:
        for (table,) in await service.fetch(TABLES):
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
                assert await service.fetchval("SELECT has_table_privilege($1, $2)", table, right)
        for statement in FORBIDDEN:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute(statement.format(owner=owner))


async def test_work(made: Roles) -> None:
    """Apps are heard of, memberships that end are kept for an hour, and rows are locked, by who serves."""
    await migrate(Url(made.owner))
    heard: asyncio.Queue[str] = asyncio.Queue()

    async with operated(made.services) as service:
        for channel in ("fanfare_apps", "fanfare_memberships"):
            await service.add_listener(channel, lambda *told: heard.put_nowait(told[2]))
        await psql(made.services, CONTAINERS["app"])
        await service.fetch("SELECT * FROM fanfare_apps FOR UPDATE")
        await service.execute("INSERT INTO fanfare_memberships VALUES ('1', '7', 'x:5')")
        await service.execute("DELETE FROM fanfare_memberships")

        async with asyncio.timeout(10):
            channels = [await heard.get() for _ in range(3)]
        assert channels == ["fanfare_apps", "fanfare_memberships", "fanfare_memberships"]
        assert await service.fetchval("SELECT count(*) FROM fanfare_removals") == 1


class TestUpgrade:
    """Of a volume in which a former release, as the superuser, made everything."""

    async def test_taken_over(self, database_url: str, prefix: str) -> None:
        """All of it becomes the owner's, who then brings it up to date."""
        await migrate(Url(database_url), steps=migrations()[:5])
        async with roles(database_url, CONTAINERS["roles"], prefix) as made:
            await migrate(Url(made.owner))

            async with operated(database_url) as superuser:
                assert {name for (name,) in await superuser.fetch(OWNERS)} == {f"{prefix}_owner"}
            async with operated(made.services) as service:
                assert not await service.fetch("SELECT * FROM fanfare_marks")

    async def test_again(self, database_url: str, prefix: str) -> None:
        """It is run at every start: passwords are those of .env, and rows stay what operators made of them."""
        async with roles(database_url, CONTAINERS["roles"], prefix) as made:
            await migrate(Url(made.owner))
            await psql(made.services, CONTAINERS["app"])
            async with operated(made.services) as service:
                await service.execute("UPDATE fanfare_apps SET limits = '{}', name = 'Shop'")
        async with roles(database_url, CONTAINERS["roles"], prefix) as made:
            assert await migrate(Url(made.owner)) == []
            await psql(made.services, CONTAINERS["app"])

            async with operated(made.services) as service:
                (row,) = await service.fetch("SELECT name, limits FROM fanfare_apps")
                assert tuple(row) == ("Shop", "{}")
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await service.execute("DELETE FROM fanfare_migrations")

    async def test_new_password(self, database_url: str, prefix: str) -> None:
        """A password that was changed in .env is the new one."""
        async with roles(database_url, CONTAINERS["roles"], prefix) as made:
            names = {"OWNER": f"{prefix}_owner", "SERVICES": f"{prefix}_services"}
            await psql(database_url, CONTAINERS["roles"], SERVICES_PASSWORD="other'word", **names)

            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(made.services)


async def test_first_app(made: Roles) -> None:
    """The first app bounds what one address may hold, and sends nobody away who only listens."""
    await migrate(Url(made.owner))
    await psql(made.services, CONTAINERS["app"])

    async with operated(made.services) as service:
        row: Any = await service.fetchrow("SELECT auth_timeout, limits FROM fanfare_apps")

    assert row["auth_timeout"] == 0
    assert row["limits"] == '{"connections_per_address": 1000}'
