"""What only PostgreSQL can do to memberships: be written by others, go, come back; and queries of the operator's."""

import asyncio
from typing import Any

import pytest

from libs.common.config.address import Url
from libs.common.errors import Unavailable
from libs.common.memberships import postgres
from libs.common.memberships.membership import Missed, Put, Removed
from libs.common.memberships.postgres import PostgresMemberships, change_of
from libs.common.postgres.migrate import migrate
from tests.support.deadline import DEADLINE
from tests.support.fakes.logs import Logs, events
from tests.support.ports.apps import operated
from tests.support.ports.memberships import ANN, BEN, connected, deployment, heard, interrupted
from tests.support.servers import postgres_server
from tests.support.servers.ports import free_port
from tests.support.servers.process import eventually


class TestByHand:
    """Whoever writes the rows, every process hears of it."""

    async def test_rows(self, database_url: str) -> None:
        statements = [
            "INSERT INTO fanfare_memberships (app, user_id, group_name) VALUES ('1', '7', 'company:5')",
            "UPDATE fanfare_memberships SET since = now()",
            "UPDATE fanfare_memberships SET user_id = '8'",
            "DELETE FROM fanfare_memberships",
        ]
        async with deployment(database_url) as site, site.one.changes() as listener:
            await interrupted(listener)

            async with operated(database_url) as operator:
                for statement in statements:
                    await operator.execute(statement)

            assert await heard(listener, 4) == [
                Put(ANN),
                Removed(ANN, 0.0),
                Put(BEN),
                Removed(BEN, 0.0),
            ]

    async def test_emptied(self, database_url: str) -> None:
        """A table that was emptied names no rows: everything must be forgotten."""
        async with deployment(database_url) as site, site.one.changes() as listener:
            await interrupted(listener)

            async with operated(database_url) as operator:
                await operator.execute("TRUNCATE fanfare_memberships")

            await interrupted(listener)

    async def test_elsewhere(self, database_url: str) -> None:
        """A writer whose search path does not lead to our tables is heard of too."""
        insert = "INSERT INTO public.fanfare_memberships (app, user_id, group_name) VALUES ('1', '7', 'company:5')"
        async with deployment(database_url) as site, site.one.changes() as listener:
            await interrupted(listener)

            async with operated(database_url) as operator:
                await operator.execute("SET search_path = pg_catalog")
                await operator.execute(insert)

            assert await heard(listener, 1) == [Put(ANN)]

    async def test_too_long(self, database_url: str) -> None:
        """A trigger of the operator's that names what fits into no notification breaks no transaction."""
        async with deployment(database_url) as site, site.one.changes() as listener:
            await interrupted(listener)

            async with operated(database_url) as operator:
                notify = "SELECT fanfare_memberships_notify('removed', '1', '7', repeat('x', 9000))"
                await operator.execute(notify)

            await interrupted(listener)

    @pytest.mark.parametrize(
        "payload",
        ["", "x", "{}", "[]", '["missed"]', '["put", "1", "7"]', '["away", "1", "7", "x"]'],
    )
    def test_unknown_notification(self, payload: str) -> None:
        """What cannot be read says that something has changed."""
        assert change_of(payload, now=0.0) == Missed()


class TestAway:
    """PostgreSQL goes, and comes back."""

    async def test_unavailable(self) -> None:
        async with connected(f"postgresql://u:secret@127.0.0.1:{free_port()}/db") as connection:
            memberships = PostgresMemberships(connection)

            for question in (
                memberships.has(ANN),
                memberships.ask([ANN, BEN]),
                memberships.put([ANN]),
                memberships.remove([ANN]),
                memberships.of("1", "7"),
            ):
                with pytest.raises(Unavailable) as raised:
                    await question
                assert raised.value.backend == "memberships"

    async def test_interruption(self, logs: Logs) -> None:
        """A listener says nothing while PostgreSQL is away, and that it may have missed changes when it is back."""
        async with postgres_server() as server, connected(server.url) as connection:
            await migrate(Url(server.url))
            memberships = PostgresMemberships(connection)
            async with memberships.changes() as listener:
                await interrupted(listener)

                await server.stop()
                await eventually(lambda: logged(logs, "backend.lost"), timeout=DEADLINE)
                assert await listener.receive(0.1) == []

                await server.start()
                await interrupted(listener)
                await memberships.put([ANN])
                assert await heard(listener, 1) == [Put(ANN)]

        assert len(events(logs, "backend.lost")) == 1
        assert len(events(logs, "backend.found")) == 1
        assert server.url not in str(logs)

    async def test_silent(self, logs: Logs) -> None:
        """A server that fell silent without a word counts as away."""
        settings = {"connect_timeout": 0.5, "command_timeout": 0.5}
        async with postgres_server() as server, connected(server.url, **settings) as connection:
            await migrate(Url(server.url))
            memberships = PostgresMemberships(connection, probe=0.1)
            async with memberships.changes() as listener:
                await interrupted(listener)

                server.pause()
                await eventually(lambda: logged(logs, "backend.lost"), timeout=DEADLINE)
                server.resume()

                await interrupted(listener)


async def logged(logs: Logs, event: str) -> bool:
    return bool(events(logs, event))


async def is_held_up(operator: Any) -> bool:
    """Tell whether somebody waits for an open transaction of ours; this view is always up to date in one."""
    query = """SELECT count(*) FROM pg_locks
        WHERE NOT granted AND transactionid = pg_current_xact_id_if_assigned()::xid"""
    return bool(await operator.fetchval(query))


class TestWriters:
    """Whoever writes may have to wait for a lock of the operator's; whoever asks does not."""

    async def test_asked_meanwhile(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres, "WRITER_WAIT", 0.2)
        insert = "INSERT INTO fanfare_memberships VALUES ('1', '7', 'company:5')"
        async with deployment(database_url) as site, operated(database_url) as operator:
            async with operator.transaction():
                await operator.execute(insert)
                writers = [asyncio.create_task(site.one.put([ANN])) for _ in range(4)]
                await eventually(lambda: is_held_up(operator), timeout=DEADLINE)
                async with asyncio.timeout(DEADLINE):
                    assert not await site.one.has(BEN)
                await asyncio.wait(writers, return_when=asyncio.FIRST_EXCEPTION)
            done = await asyncio.gather(*writers, return_exceptions=True)

        assert done.count(0) == 1
        assert sum(isinstance(each, Unavailable) for each in done) == 3
