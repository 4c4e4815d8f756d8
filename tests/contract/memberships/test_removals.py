"""Removals that nobody heard, or that were heard too late: PostgreSQL keeps them for the next who listens."""

import time
from contextlib import suppress
from datetime import timedelta

import asyncpg
import pytest

from libs.common.memberships import postgres
from libs.common.memberships.membership import Put, Removed
from libs.common.memberships.postgres import ROUNDING, PostgresMemberships
from tests.support.fakes.logs import Logs, events
from tests.support.ports.apps import operated
from tests.support.ports.memberships import (
    ANN,
    BEN,
    OTHER,
    connected,
    cut_off,
    deployment,
    heard,
    interrupted,
)

AGE = "UPDATE fanfare_removals SET removed_at = removed_at - interval"
LONG_AGO = """
    INSERT INTO fanfare_removals (app, user_id, group_name, removed_at)
    VALUES ('1', '8', 'company:5', now() - interval '10 minutes')
"""


class TestRemovals:
    """What ended while nobody listened, or whoever listened was cut off, is told when somebody listens."""

    async def test_cut_off(self, database_url: str) -> None:
        """A removal while the connection that listens is lost is told when there is another."""
        async with deployment(database_url) as site, site.one.changes() as listener:
            await interrupted(listener)
            await site.other.put([ANN, BEN])
            assert await heard(listener, 2) == [Put(ANN), Put(BEN)]

            async with cut_off(database_url) as operator:
                await operator.execute("DELETE FROM fanfare_memberships WHERE user_id = '7'")

            assert await heard(listener, 1) == [Removed(ANN, 0.0)]

    async def test_age(self, database_url: str) -> None:
        """Of removals within the hour the instants are told; older ones are not."""
        async with deployment(database_url) as site, operated(database_url) as operator:
            await site.one.put([ANN, BEN])
            await site.one.remove([ANN, BEN])
            await operator.execute(f"{AGE} '59 minutes' WHERE user_id = '7'")
            await operator.execute(f"{AGE} '61 minutes' WHERE user_id = '8'")
            now = time.time()

            async with site.other.changes() as listener:
                (removed,) = await heard(listener, 1)

        assert isinstance(removed, Removed)
        assert removed.membership == ANN
        assert now - 59 * 60 - 10 < removed.at < now - 58 * 60

    async def test_latest(self, database_url: str) -> None:
        """Of what was removed twice the later removal is told."""
        async with deployment(database_url) as site, operated(database_url) as operator:
            await site.one.put([ANN])
            await site.one.remove([ANN])
            await operator.execute(f"{AGE} '30 minutes'")
            await site.one.put([ANN])
            now = time.time()
            await site.one.remove([ANN])

            async with site.other.changes() as listener:
                (removed,) = await heard(listener, 1)

        assert isinstance(removed, Removed)
        assert now <= removed.at

    async def test_too_many(
        self, database_url: str, logs: Logs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The newest are told, and the log says that there were more."""
        monkeypatch.setattr(postgres, "MOST_KEPT", 2)
        async with deployment(database_url) as site:
            for each in (OTHER, ANN, BEN):
                await site.one.put([each])
                await site.one.remove([each])

            async with site.other.changes() as listener:
                assert await heard(listener, 2) == [Removed(ANN, 0.0), Removed(BEN, 0.0)]

        assert len(events(logs, "removals.given_up")) == 1

    async def test_instant(self, database_url: str) -> None:
        """A removal is as old as the end of its transaction: until then the membership is there for all others."""
        async with deployment(database_url) as site, operated(database_url) as operator:
            await site.one.put([ANN])
            async with operator.transaction():
                await operator.execute("DELETE FROM fanfare_memberships")
                assert await site.one.has(ANN)
                await operator.execute(LONG_AGO)
                late = await operator.fetchval("SELECT clock_timestamp()")

            rows = await operator.fetch("SELECT removed_at FROM fanfare_removals ORDER BY id")
            assert rows[0]["removed_at"] > late - timedelta(seconds=ROUNDING)
            assert rows[1]["removed_at"] > late

    async def test_undone(self, database_url: str) -> None:
        """What was rolled back was never removed."""
        async with deployment(database_url) as site, operated(database_url) as operator:
            await site.one.put([ANN])
            transaction = operator.transaction()
            await transaction.start()
            await operator.execute("DELETE FROM fanfare_memberships")
            await transaction.rollback()

            assert await operator.fetchval("SELECT count(*) FROM fanfare_removals") == 0

    async def test_pruned(self, database_url: str) -> None:
        """Removals that are too old are taken away as others are written; those that are not stay."""
        async with deployment(database_url), operated(database_url) as operator:
            await operator.execute(
                "INSERT INTO fanfare_removals (app, user_id, group_name) "
                "SELECT '1', number::text, 'x' FROM generate_series(1, 1500) AS number"
            )
            await operator.execute(f"{AGE} '61 minutes'")

            await operator.execute(
                "SELECT fanfare_memberships_notify('removed', '2', number::text, 'x') "
                "FROM generate_series(1, 200) AS number"
            )

            rows = await operator.fetch("SELECT app, count(*) FROM fanfare_removals GROUP BY app")
            assert [tuple(row) for row in rows] == [("2", 200)]

    @pytest.mark.parametrize(
        "names", ["NULL, '7', 'x'", "'1', NULL, 'x'", "'1', '7', repeat('x', 201)"]
    )
    async def test_unkeepable(self, database_url: str, names: str) -> None:
        """A trigger that names what no membership can have breaks no transaction, and nothing is kept."""
        async with deployment(database_url), operated(database_url) as operator:
            await operator.execute(f"SELECT fanfare_memberships_notify('removed', {names})")

            assert await operator.fetchval("SELECT count(*) FROM fanfare_removals") == 0

    async def test_poor_role(self, database_url: str, prefix: str) -> None:
        """Whoever may delete memberships needs no right to what is kept, and cannot lead it elsewhere."""
        async with deployment(database_url) as site, operated(database_url) as operator:
            await site.one.put([ANN])
            await operator.execute(f"CREATE ROLE {prefix}")
            await operator.execute(f"GRANT SELECT, DELETE ON fanfare_memberships TO {prefix}")
            await operator.execute(f"SET ROLE {prefix}")
            await operator.execute(
                "CREATE TEMP TABLE fanfare_removals (app text, user_id text, group_name text)"
            )

            await operator.execute("DELETE FROM fanfare_memberships")

            await operator.execute("RESET ROLE")
            assert await operator.fetchval("SELECT count(*) FROM public.fanfare_removals") == 1
            await operator.execute(f"DROP OWNED BY {prefix}; DROP ROLE {prefix}")

    @pytest.mark.parametrize(
        "traps",
        [
            [
                (
                    "CREATE FUNCTION public.json_build_array(text, text, text, text) RETURNS json LANGUAGE sql "
                    "AS 'INSERT INTO seen VALUES (current_user) RETURNING ''[]''::json'"
                ),
            ],
            [
                (
                    "CREATE FUNCTION public.trap(bigint, int) RETURNS int LANGUAGE sql "
                    "AS 'INSERT INTO seen VALUES (current_user) RETURNING 1'"
                ),
                "CREATE OPERATOR public.% (LEFTARG = bigint, RIGHTARG = int, FUNCTION = public.trap)",
            ],
            [
                "CREATE TYPE pg_temp.other AS (x int)",
                (
                    "CREATE FUNCTION pg_temp.trap(pg_temp.other) RETURNS bigint LANGUAGE sql "
                    "AS 'INSERT INTO seen VALUES (current_user) RETURNING 1::bigint'"
                ),
                "CREATE CAST (pg_temp.other AS bigint) WITH FUNCTION pg_temp.trap(pg_temp.other) AS IMPLICIT",
                "CREATE TEMP TABLE theirs (id pg_temp.other, removed_at timestamptz)",
                (
                    "CREATE TRIGGER theirs AFTER INSERT ON theirs "
                    "FOR EACH ROW EXECUTE FUNCTION public.fanfare_removals_committing()"
                ),
                "INSERT INTO theirs VALUES (ROW(1), '1970-01-01')",
            ],
        ],
        ids=["function", "operator", "trigger"],
    )
    async def test_traps(self, database_url: str, prefix: str, traps: list[str]) -> None:
        """Nobody gets another's rights from functions that run as who migrated; public is open to all as before 15."""
        async with deployment(database_url), operated(database_url) as operator:
            await operator.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
            await operator.execute("INSERT INTO fanfare_removals VALUES (DEFAULT, '1', '7', 'x:5')")
            await operator.execute(f"CREATE ROLE {prefix}")
            await operator.execute(f"SET ROLE {prefix}")
            await operator.execute("CREATE TEMP TABLE seen (who text)")
            with suppress(asyncpg.InsufficientPrivilegeError):
                for trap in traps:
                    await operator.execute(trap)
            await operator.execute("SELECT fanfare_memberships_notify('removed', '1', '7', 'x:5')")
            await operator.execute("RESET ROLE")
            seen = [row["who"] for row in await operator.fetch("SELECT who FROM pg_temp.seen")]
            await operator.execute(f"DROP OWNED BY {prefix} CASCADE; DROP ROLE {prefix}")

        assert set(seen) <= {prefix}

    async def test_not_migrated(self, database_url: str, logs: Logs) -> None:
        """Where removals are not kept, or may not be read, changes are heard all the same, and the log says so."""
        async with (
            connected(database_url) as connection,
            PostgresMemberships(connection).changes() as listener,
        ):
            await interrupted(listener)
            async with operated(database_url) as operator:
                payload = '["removed", "1", "7", "company:5"]'
                await operator.execute("SELECT pg_notify('fanfare_memberships', $1)", payload)

            assert await heard(listener, 1) == [Removed(ANN, 0.0)]

        (line,) = events(logs, "removals.unread")
        assert "fanfare migrate" in line["reason"]
