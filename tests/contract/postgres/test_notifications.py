"""Listening on PostgreSQL: what was notified is heard, and what nobody heard is read at the next connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from libs.common.config.address import Url
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.notifications import Notifications
from libs.common.postgres.settings import PostgresSettings
from tests.support.deadline import DEADLINE
from tests.support.fakes.logs import Logs, events
from tests.support.ports.apps import operated
from tests.support.ports.memberships import cut_off
from tests.support.servers import postgres_server
from tests.support.servers.process import eventually

NEVER = 3600.0  # Seconds that do not pass in a test.
CHANNEL = "fanfare_test"
TELL = f"SELECT pg_notify('{CHANNEL}', $1)"
CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'fanfare apps' AND datname = current_database()
"""


class Diary:
    """What a listener is told to do, in order."""

    def __init__(self, url: str, *, interval: float = NEVER, **settings: Any) -> None:
        self.entries: list[str] = []
        self.fault: Exception | None = None
        self.pid = 0  # Of the server's process that the last connection led to.
        self.may_read = asyncio.Event()
        self.may_read.set()
        self._written = asyncio.Event()
        self.connection = PostgresConnection(Url(url), "apps", PostgresSettings(**settings))
        self.notifications = Notifications(
            self.connection,
            CHANNEL,
            connected=self._connected,
            notified=self._write,
            checked=self._checked,
            interval=interval,
        )

    async def _connected(self, connection: Any) -> None:
        self._write("connected")
        await self.may_read.wait()
        self.pid = await connection.fetchval("SELECT pg_backend_pid()")
        if self.fault:
            raise self.fault
        self._write("read")

    async def _checked(self, connection: Any) -> None:
        await connection.fetchval("SELECT 1")
        self._write("checked")

    def _write(self, entry: str) -> None:
        self.entries.append(entry)
        self._written.set()

    async def tells(self, *entries: str) -> None:
        """Wait until these are the next entries, and forget them."""
        async with asyncio.timeout(DEADLINE):
            while len(self.entries) < len(entries):
                self._written.clear()
                await self._written.wait()
        told, self.entries = self.entries[: len(entries)], self.entries[len(entries) :]
        assert told == list(entries)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Listen while the context is open, which opens when the first connection has read."""
        async with self.connection, self.notifications.listening():
            await self.tells("connected", "read")
            yield


class TestHeard:
    """PostgreSQL is there."""

    async def test_in_order(self, database_url: str) -> None:
        """Each notification is handled, in the order of the transactions."""
        diary = Diary(database_url)
        async with diary.kept(), operated(database_url) as operator:
            for number in range(100):
                await operator.execute(TELL, str(number))

            await diary.tells(*map(str, range(100)))

    async def test_other_channels(self, database_url: str) -> None:
        """What is notified on another channel is not for us."""
        diary = Diary(database_url)
        async with diary.kept(), operated(database_url) as operator:
            await operator.execute("SELECT pg_notify('fanfare_other', 'no')")
            await operator.execute(TELL, "yes")

            await diary.tells("yes")

    async def test_while_reading(self, database_url: str) -> None:
        """It listens before it reads, so that nothing gets lost in between."""
        diary = Diary(database_url)
        diary.may_read.clear()
        async with (
            diary.connection,
            diary.notifications.listening(),
            operated(database_url) as operator,
        ):
            await diary.tells("connected")
            await operator.execute(TELL, "meanwhile")
            await diary.tells("meanwhile")
            diary.may_read.set()

            await diary.tells("read")

    async def test_checked(self, database_url: str) -> None:
        """The connection is checked after each interval in which nothing was to do."""
        diary = Diary(database_url, interval=0.01)
        async with diary.kept():
            await diary.tells("checked", "checked", "checked")

    async def test_checked_soon(self, database_url: str) -> None:
        """Who asks for it has it checked before, and once."""
        diary = Diary(database_url)
        async with diary.kept(), operated(database_url) as operator:
            diary.notifications.check_soon()
            await diary.tells("checked")
            await operator.execute(TELL, "afterwards")
            await diary.tells("afterwards")

    async def test_asked_for_while_reading(self, database_url: str) -> None:
        """A check that is asked for while something is read comes after it."""
        diary = Diary(database_url)
        diary.may_read.clear()
        async with diary.connection, diary.notifications.listening():
            await diary.tells("connected")
            diary.notifications.check_soon()
            diary.may_read.set()

            await diary.tells("read", "checked")

    async def test_never_lent(self, database_url: str) -> None:
        """The connection that listened is closed afterwards, and nobody else's."""
        diary = Diary(database_url, pool_size=1)
        async with diary.connection:
            async with diary.notifications.listening():
                await diary.tells("connected", "read")

            async with diary.connection.acquired() as connection:
                pid = await connection.fetchval("SELECT pg_backend_pid()")

        assert pid != diary.pid

    async def test_our_own_fault(self, database_url: str) -> None:
        """What goes wrong in our own work ends it, and is not taken for an outage."""
        diary = Diary(database_url)
        diary.fault = ValueError("ours")
        with pytest.raises(ValueError, match="ours"):
            async with diary.connection, diary.notifications.listening():
                await diary.tells("connected", "nothing more")

        assert not diary.notifications.outage.is_away

    async def test_first_attempt(self, database_url: str) -> None:
        """Who waits for the first attempt waits until it has read."""
        diary = Diary(database_url)
        async with (
            diary.connection,
            diary.notifications.listening(),
            asyncio.timeout(DEADLINE),
        ):
            await diary.notifications.wait_for_attempt()

        assert diary.entries == ["connected", "read"]


class TestAway:
    """PostgreSQL goes, and comes back."""

    async def test_connection_cut(self, database_url: str, logs: Logs) -> None:
        """After a connection was cut the next one listens, and reads what was missed."""
        diary = Diary(database_url)
        async with diary.kept(), operated(database_url) as operator:
            await operator.execute(CUT)
            await diary.tells("connected", "read")
            await operator.execute(TELL, "again")
            await diary.tells("again")

        (lost,) = events(logs, "backend.lost")
        (found,) = events(logs, "backend.found")
        assert (lost["backend"], lost["reason"]) == ("apps", "PostgreSQL closed the connection")
        assert found["backend"] == "apps"

    async def test_nobody_listened(self, database_url: str) -> None:
        """A notification that comes while nobody listens is not heard, and the next connection reads."""
        diary = Diary(database_url)
        async with diary.kept():
            async with cut_off(database_url) as operator:
                await operator.execute(TELL, "unheard")
            await diary.tells("connected", "read")
            async with operated(database_url) as operator:
                await operator.execute(TELL, "heard")

            await diary.tells("heard")

    async def test_restarted(self, logs: Logs) -> None:
        """An outage is said once, however often the server is tried meanwhile, and once that it is over."""
        async with postgres_server() as server:
            diary = Diary(server.url)
            async with diary.kept():
                await server.stop()
                outage = diary.notifications.outage
                await eventually(lambda: is_away(diary), timeout=DEADLINE)
                since = outage.since
                await server.start()
                await diary.tells("connected", "read")
                async with operated(server.url) as operator:
                    await operator.execute(TELL, "again")
                await diary.tells("again")

        assert since is not None
        assert not outage.is_away
        assert [len(events(logs, f"backend.{end}")) for end in ("lost", "found")] == [1, 1]
        assert server.url not in str(logs)

    async def test_fell_silent(self) -> None:
        """A server that says nothing any more is found out by the next check."""
        async with postgres_server() as server:
            diary = Diary(server.url, interval=0.1, connect_timeout=0.5, command_timeout=0.5)
            async with diary.kept():
                server.pause()
                await eventually(lambda: is_away(diary), timeout=DEADLINE)
                server.resume()

                await eventually(lambda: is_away(diary, expected=False), timeout=DEADLINE)

    async def test_at_the_start(self, database_url: str) -> None:
        """A first attempt that fails counts as one, and others follow."""
        async with cut_off(database_url):
            diary = Diary(database_url)
            async with diary.connection, diary.notifications.listening():
                async with asyncio.timeout(DEADLINE):
                    await diary.notifications.wait_for_attempt()

                assert diary.notifications.outage.is_away
                assert diary.entries == []


async def is_away(diary: Diary, *, expected: bool = True) -> bool:
    return diary.notifications.outage.is_away is expected
