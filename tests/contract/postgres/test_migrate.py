"""The migrations, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from libs.common.apps.app import App
from libs.common.config.address import Url
from libs.common.errors import Misconfigured, Unavailable
from libs.common.postgres.migrate import (
    LOCK,
    ChangedMigration,
    FailedMigration,
    Migration,
    MigrationsBusy,
    UnknownMigration,
    migrate,
    migrations,
)
from tests.support.deadline import DEADLINE
from tests.support.ports.apps import operated, postgres_apps, seen
from tests.support.servers.ports import free_port
from tests.support.servers.process import eventually

ONE = Migration("0001_one.sql", "CREATE TABLE one (id int); INSERT INTO one VALUES (1)")
TWO = Migration("0002_two.sql", "CREATE TABLE two (id int); INSERT INTO two SELECT * FROM one")
BAD = Migration("0002_two.sql", "CREATE TABLE two (id int); SELECT * FROM nowhere")
TURN = f"SELECT pg_advisory_lock({LOCK})"


@pytest.fixture
def url(database_url: str) -> Url:
    """Return the URL of an empty database."""
    return Url(database_url)


@pytest.fixture
async def operator(database_url: str) -> AsyncIterator[Any]:
    """Yield a connection of an operator."""
    async with operated(database_url) as connection:
        yield connection


async def tables(operator: Any) -> set[str]:
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    return {row["tablename"] for row in await operator.fetch(query)}


class TestSteps:
    """Each migration is applied once, in order, and whole or not at all."""

    async def test_all_of_them(self, url: Url, operator: Any) -> None:
        """An empty database gets all of the program's migrations; the second time there is none left."""
        names = [step.name for step in migrations()]

        assert await migrate(url) == names
        assert await migrate(url) == []
        assert await tables(operator) >= {"fanfare_apps", "fanfare_migrations"}

    async def test_columns_of_apps(self, url: Url, operator: Any) -> None:
        """The table of apps has a column for each field, and no other."""
        await migrate(url)

        rows = await operator.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'fanfare_apps'"
        )
        assert {row["column_name"] for row in rows} == set(App.__struct_fields__)

    async def test_limits(self, url: Url, operator: Any) -> None:
        """What was said of members before there were limits still holds; what was not said is left open."""
        first, *others = migrations()
        await migrate(url, steps=[first])
        await operator.execute(
            "INSERT INTO fanfare_apps (id, key, secrets, max_members) VALUES "
            "('1', 'usual', '{s}', 100), ('2', 'few', '{s}', 7), ('3', 'any', '{s}', -1)"
        )

        await migrate(url, steps=[first, *others])

        rows = await operator.fetch("SELECT limits FROM fanfare_apps ORDER BY id")
        assert [row["limits"] for row in rows] == ["{}", '{"members": 7}', '{"members": -1}']
        apps = postgres_apps(url.reveal())
        async with apps.opened():
            await seen(apps, lambda known: [app.limits.members for app in known] == [100, 7, -1])

    async def test_one_more(self, url: Url, operator: Any) -> None:
        """A database that is behind gets what it lacks, in order."""
        await migrate(url, steps=[ONE])

        assert await migrate(url, steps=[ONE, TWO]) == ["0002_two.sql"]
        assert await operator.fetchval("SELECT count(*) FROM two") == 1

    async def test_failing_one(self, url: Url, operator: Any) -> None:
        """Of a migration that fails nothing is kept; those before it are, and it can be tried again."""
        with pytest.raises(FailedMigration, match=r"0002_two\.sql failed.*nowhere"):
            await migrate(url, steps=[ONE, BAD])

        assert await tables(operator) == {"one", "fanfare_migrations"}
        assert await migrate(url, steps=[ONE, TWO]) == ["0002_two.sql"]

    async def test_cut_off(self, url: Url, operator: Any) -> None:
        """A connection that breaks half-way is no fault of the migration, and nothing of it is kept."""
        fatal = Migration(TWO.name, f"{TWO.sql}; SELECT pg_terminate_backend(pg_backend_pid())")

        with pytest.raises(Unavailable):
            await migrate(url, steps=[ONE, fatal])

        assert await tables(operator) == {"one", "fanfare_migrations"}


class TestRefusals:
    """What does not fit the files is left alone, and named."""

    async def test_changed(self, url: Url, operator: Any) -> None:
        """A migration that was changed after it was applied is named, and nothing is applied."""
        await migrate(url, steps=[ONE])
        changed = Migration(ONE.name, f"{ONE.sql} ")

        with pytest.raises(ChangedMigration, match=r"0001_one\.sql"):
            await migrate(url, steps=[changed, TWO])

        assert "two" not in await tables(operator)

    async def test_newer(self, url: Url, operator: Any) -> None:
        """A database that a newer release has migrated is left alone."""
        await migrate(url, steps=[ONE, TWO])
        other = Migration("0002_other.sql", "CREATE TABLE other (id int)")

        with pytest.raises(UnknownMigration, match=r"0002_two\.sql"):
            await migrate(url, steps=[ONE, other])
        with pytest.raises(UnknownMigration):
            await migrate(url, steps=[ONE])

        assert "other" not in await tables(operator)

    async def test_without_rights(self, url: Url, operator: Any, prefix: str) -> None:
        """A role that may not create tables is told so."""
        await operator.execute(f"CREATE ROLE {prefix} LOGIN PASSWORD 'p'")
        try:
            parts = urlsplit(url.reveal())
            host = parts.netloc.rpartition("@")[2]
            poor = parts._replace(netloc=f"{prefix}:p@{host}").geturl()

            with pytest.raises(Misconfigured, match="permission denied for schema public"):
                await migrate(Url(poor))
        finally:
            await operator.execute(f"DROP ROLE {prefix}")

    async def test_other_role(self, url: Url, operator: Any, prefix: str) -> None:
        """Where another role migrates than did before, whoever could remove memberships still can."""
        await operator.execute(f"CREATE ROLE {prefix} LOGIN PASSWORD 'p'")
        await operator.execute(f"GRANT CREATE ON SCHEMA public TO {prefix}")
        parts = urlsplit(url.reveal())
        host = parts.netloc.rpartition("@")[2]
        theirs = parts._replace(netloc=f"{prefix}:p@{host}").geturl()
        try:
            await migrate(Url(theirs), steps=migrations()[:4])
            await migrate(url)
            async with operated(theirs) as writer:
                await writer.execute("INSERT INTO fanfare_memberships VALUES ('1', '7', 'x:5')")
                await writer.execute("DELETE FROM fanfare_memberships")

            assert await operator.fetchval("SELECT count(*) FROM fanfare_removals") == 1
        finally:
            await operator.execute(f"DROP OWNED BY {prefix}; DROP ROLE {prefix}")

    async def test_away(self) -> None:
        """Where no PostgreSQL is, it is unavailable."""
        with pytest.raises(Unavailable):
            await migrate(Url(f"postgresql://127.0.0.1:{free_port()}/db"))


class TestTurns:
    """Several runners at once take turns."""

    async def test_two_at_once(self, url: Url) -> None:
        """Of two runners at once one migrates, and the other finds nothing left to do."""
        async with asyncio.TaskGroup() as tasks:
            runs = [tasks.create_task(migrate(url, steps=[ONE, TWO])) for _ in range(2)]

        assert sorted(run.result() for run in runs) == [[], [ONE.name, TWO.name]]

    async def test_waits(self, url: Url, operator: Any) -> None:
        """A runner waits for the one before it."""
        await operator.execute(TURN)
        waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(migrate(url, steps=[ONE]))
            await eventually(lambda: operator.fetchval(waiting), timeout=DEADLINE)
            assert not await tables(operator)

            await operator.execute("SELECT pg_advisory_unlock_all()")

        assert run.result() == ["0001_one.sql"]

    async def test_not_for_ever(self, url: Url, operator: Any) -> None:
        """A runner that waited long enough says so."""
        await operator.execute(TURN)

        with pytest.raises(MigrationsBusy, match="somebody else migrates"):
            await migrate(url, steps=[ONE], lock_timeout=0.05)

    async def test_table_in_use(self, url: Url, operator: Any) -> None:
        """A table that somebody uses is not waited for without end, and the migration can be tried again."""
        await migrate(url, steps=[ONE])
        wider = Migration("0002_wider.sql", "ALTER TABLE one ADD COLUMN more int")
        async with operator.transaction():
            await operator.execute("SELECT * FROM one")
            with pytest.raises(MigrationsBusy):
                await migrate(url, steps=[ONE, wider], lock_timeout=0.05)

        assert await migrate(url, steps=[ONE, wider]) == ["0002_wider.sql"]


class TestFiles:
    """Migrations are numbered SQL files."""

    def test_order(self, tmp_path: Path) -> None:
        """Files are read in the order of their numbers; others are not read."""
        for name in ("0002_b.sql", "0001_a.sql", "README.md"):
            (tmp_path / name).write_text(name)

        assert [step.name for step in migrations(tmp_path)] == ["0001_a.sql", "0002_b.sql"]

    @pytest.mark.parametrize(
        "names", [["0002_a.sql"], ["0001_a.sql", "0001_b.sql"], ["1_a.sql"], ["0001-a.sql"]]
    )
    def test_numbers(self, tmp_path: Path, names: list[str]) -> None:
        """A number that is missing, taken twice or written otherwise is a mistake of ours."""
        for name in names:
            (tmp_path / name).write_text("")

        with pytest.raises(AssertionError, match="numbered 0001"):
            migrations(tmp_path)
