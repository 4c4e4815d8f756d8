"""Memberships that a query of the operator's reads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.memberships import postgres_query
from libs.common.memberships.membership import Membership, NotKeptHere, Removed
from libs.common.memberships.postgres_query import BUDGET, QueriedMemberships
from libs.common.postgres.connection import reason
from libs.common.postgres.migrate import migrate
from tests.support.deadline import DEADLINE
from tests.support.fakes.logs import Logs, events
from tests.support.ports.apps import operated
from tests.support.ports.memberships import ANN, BEN, connected, heard, interrupted
from tests.support.servers.process import eventually

TABLES = """
    CREATE TABLE company_users (company_id bigint, user_id int, role text);
    INSERT INTO company_users VALUES (5, 7, 'owner');
    CREATE TABLE teams (id uuid, member text);
    INSERT INTO teams VALUES ('0b8f2f1e-9a3d-4c8e-8a58-2f4f3f0c7b11', 'ann');
"""
QUERY = "SELECT 1 FROM company_users WHERE user_id = $2 AND $4 = 'company' AND company_id = $5"


@asynccontextmanager
async def queried(
    url: str, query: str, *, budget: float = BUDGET
) -> AsyncIterator[QueriedMemberships]:
    """Open memberships behind a query, with tables of the operator's."""
    async with operated(url) as operator:
        await operator.execute(TABLES)
    async with connected(url) as connection:
        yield QueriedMemberships(connection, query, budget=budget)


class TestQuery:
    """The operator's tables are read with a query of theirs."""

    @pytest.mark.parametrize(
        "user,group,expected",
        [
            ("7", "company:5", True),
            ("7", "company:6", False),
            ("8", "company:5", False),
            ("7", "team:5", False),
            ("7", "5", False),
            ("07", "company:5", False),
            ("7 ", "company:5", False),
            ("ann", "company:5", False),
            ("", "company:5", False),
            ("\N{ARABIC-INDIC DIGIT SEVEN}", "company:5", False),
            ("4294967303", "company:5", False),
            ("7", "company:99999999999999999999999", False),
        ],
    )
    async def test_numbers(
        self, database_url: str, user: str, group: str, *, expected: bool
    ) -> None:
        """Columns of whole numbers are compared with the text that spells the number, and no other."""
        async with queried(database_url, QUERY) as memberships:
            assert await memberships.has(Membership("1", user, group)) is expected

    @pytest.mark.parametrize(
        "team,expected",
        [
            ("0b8f2f1e-9a3d-4c8e-8a58-2f4f3f0c7b11", True),
            ("0B8F2F1E-9a3d-4c8e-8a58-2f4f3f0c7b11", False),
            ("5", False),
        ],
    )
    async def test_uuids(self, database_url: str, team: str, *, expected: bool) -> None:
        query = "SELECT EXISTS (SELECT FROM teams WHERE member = $2 AND id = $5)"
        async with queried(database_url, query) as memberships:
            assert await memberships.has(Membership("1", "ann", f"team:{team}")) is expected

    @pytest.mark.parametrize(
        "query,expected",
        [
            ("SELECT $1 = '1' AND $2 = '7' AND $3 = 'a:b:c' AND $4 = 'a' AND $5 = 'b:c'", True),
            (
                "SELECT count(*) FROM company_users WHERE user_id = $2 AND company_id::text = $3",
                False,
            ),
            ("SELECT role FROM company_users WHERE user_id = $2 AND $3 <> ''", True),
            ("SELECT NULL FROM company_users WHERE user_id = $2 AND $3 <> ''", False),
            ("SELECT $2 <> $3;", True),
        ],
    )
    async def test_answers(self, database_url: str, query: str, *, expected: bool) -> None:
        """A first value that is null, false or 0 is a no; any other is a yes."""
        async with queried(database_url, query) as memberships:
            assert await memberships.has(Membership("1", "7", "a:b:c")) is expected

    @pytest.mark.parametrize(
        "query",
        [
            "SELEKT $2, $3",
            "SELECT 1 FROM nowhere WHERE a = $2 AND b = $3",
            "SELECT 1 / (length($2) - 1) WHERE $3 <> ''",
            "DELETE FROM company_users WHERE user_id = $2 AND company_id = $5 RETURNING 1",
            "SELECT 1 FROM company_users WHERE $2::date = now() AND $3 <> ''",
        ],
    )
    async def test_failing(self, database_url: str, logs: Logs, query: str) -> None:
        """A query that fails, or would write, is a backend that is away; the log says why, once."""
        async with queried(database_url, query) as memberships:
            for _ in range(3):
                with pytest.raises(Unavailable):
                    await memberships.has(ANN)

        (line,) = events(logs, "memberships.query_failed")
        assert line["log_level"] == "error"
        async with operated(database_url) as operator:
            assert await operator.fetchval("SELECT count(*) FROM company_users") == 1

    async def test_many(self, database_url: str) -> None:
        """The query is run for one after the other, and each has its own answer."""
        asked = [
            Membership("1", user, group)
            for user in ("7", "8", "ann", "")
            for group in ("company:5", "company:6", "company:x")
        ]
        async with queried(database_url, QUERY) as memberships:
            answers = await memberships.ask([*asked, *asked])

        assert answers == {each: each == ANN for each in asked}

    async def test_as_many_as_may_be(self, database_url: str) -> None:
        async with queried(database_url, QUERY) as memberships:
            asked = [ANN._replace(user=str(user)) for user in range(memberships.at_once)]

            answers = await memberships.ask(asked)

        assert [each for each in asked if answers[each]] == [ANN]

    async def test_fault_of_one(self, database_url: str, logs: Logs) -> None:
        """The one for which the query fails gets no answer, the others before and after get theirs."""
        query = "SELECT 1 / (6 - length($3)) = 0 FROM company_users WHERE user_id = $2"
        asked = [Membership("1", user, group) for user in "78" for group in ("a", "bad--8", "b")]
        async with queried(database_url, query) as memberships:
            answers = await memberships.ask(asked)
            with pytest.raises(Unavailable) as raised:
                await memberships.has(asked[1])
            assert await memberships.has(asked[2])

        assert list(answers.values()) == [True, None, True, False, None, False]
        assert "division by zero" in reason(raised.value)
        (line,) = events(logs, "memberships.query_failed")
        assert "division by zero" in line["reason"]

    @pytest.mark.parametrize("limit", ["0", "200"])
    async def test_slow_for_one(
        self, database_url: str, limit: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So too the one for which it takes too long, by our measure or by PostgreSQL's `statement_timeout`."""
        monkeypatch.setattr(postgres_query, "LONGEST", 0.4)
        query = (
            "SELECT CASE $2 WHEN 'slow' THEN (SELECT 1 FROM pg_sleep(9)) ELSE 1 END WHERE $3 <> ''"
        )
        asked = [ANN._replace(user=user) for user in ("7", "slow", "8")]
        async with operated(database_url) as operator:
            name = urlsplit(database_url).path.removeprefix("/")
            await operator.execute(f'ALTER DATABASE "{name}" SET statement_timeout = {limit}')

        async with asyncio.timeout(DEADLINE), queried(database_url, query, budget=9) as memberships:
            answers = await memberships.ask(asked)

        assert list(answers.values()) == [True, None, True]

    @pytest.mark.parametrize("column", ["numeric", "char(9)"])
    async def test_padded(self, database_url: str, column: str) -> None:
        """Columns to which several texts are the same have one user each."""
        users = ["7", "07", "7 ", "7.0", "ann"]
        async with operated(database_url) as operator:
            await operator.execute(f"CREATE TABLE padded AS SELECT 7::{column} AS user_id")
        query = "SELECT 1 FROM padded WHERE user_id = $2 AND $3 <> ''"
        async with connected(database_url) as connection:
            memberships = QueriedMemberships(connection, query)
            answers = await memberships.ask([ANN._replace(user=user) for user in users])

        assert list(answers.values()) == [True, False, False, False, False]

    async def test_all_of_them_faulty(self, database_url: str, logs: Logs) -> None:
        query = "SELECT 1 / (length($2) - length($2)) > 0 WHERE $3 <> ''"
        async with queried(database_url, query) as memberships:
            assert await memberships.ask([ANN, BEN]) == {ANN: None, BEN: None}

        assert len(events(logs, "memberships.query_failed")) == 1

    async def test_slow(self, database_url: str) -> None:
        """When time is over, those that were reached have their answers, and at least the first."""
        async with queried(database_url, QUERY, budget=0.0) as memberships:
            assert await memberships.ask([ANN, BEN]) == {ANN: True}
            assert await memberships.ask([BEN, ANN]) == {BEN: False}
            assert await memberships.has(ANN)

    async def test_mended(self, database_url: str, logs: Logs) -> None:
        """A query that failed because of the tables works when they are as it needs them."""
        query = "SELECT 1 FROM later WHERE user_id = $2 AND group_name = $3"
        async with queried(database_url, query) as memberships:
            with pytest.raises(Unavailable):
                await memberships.has(ANN)
            async with operated(database_url) as operator:
                await operator.execute(
                    "CREATE TABLE later AS SELECT 7 AS user_id, 'company:5' AS group_name"
                )

            assert await memberships.has(ANN)

        assert len(events(logs, "memberships.query_failed")) == 1

    async def test_columns_changed(self, database_url: str) -> None:
        """A column that gets another type costs one answer at most."""
        async with queried(database_url, QUERY) as memberships:
            assert await memberships.has(ANN)
            async with operated(database_url) as operator:
                await operator.execute("ALTER TABLE company_users ALTER user_id TYPE text")

            async def answers() -> bool:
                try:
                    return await memberships.has(ANN)
                except Unavailable:
                    return False

            await eventually(answers, timeout=DEADLINE)

    async def test_read_only(self, database_url: str) -> None:
        """Fanfare changes and lists nothing there."""
        async with queried(database_url, QUERY) as memberships:
            for call in (
                memberships.put([ANN]),
                memberships.remove([ANN]),
                memberships.of("1", "7"),
            ):
                with pytest.raises(NotKeptHere, match=r"auth\.memberships\.query"):
                    await call

    async def test_changes(self, database_url: str) -> None:
        """Changes are heard of where a trigger of the operator's tells them."""
        await migrate(Url(database_url))
        async with queried(database_url, QUERY) as memberships, memberships.changes() as listener:
            await interrupted(listener)

            async with operated(database_url) as operator:
                notify = "SELECT fanfare_memberships_notify('removed', '1', '7', 'company:5')"
                await operator.execute(notify)

            assert await heard(listener, 1) == [Removed(ANN, 0.0)]
