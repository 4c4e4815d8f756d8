"""Memberships in PostgreSQL: seen at once, heard of late, and missed with care."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import hdrs

from libs.common.config.address import Url
from libs.common.memberships.postgres import PostgresMemberships
from libs.common.postgres.migrate import migrate
from libs.common.tokens.channel_tokens import LEEWAY
from libs.common.tokens.settings import DEFAULT_MAX_TTL
from tests.support.deadline import DEADLINE
from tests.support.ports.apps import operated
from tests.support.ports.memberships import connected, cut_off
from tests.support.servers import Server, postgres_server
from tests.support.servers.process import eventually
from tests.support.services.auth import NOW
from tests.support.services.auth_memberships import CLOCKS, INSERT, Site, site


@asynccontextmanager
async def on_postgres(url: str, *, clock: Callable[[], float] = lambda: NOW) -> AsyncIterator[Site]:
    await migrate(Url(url))
    async with (
        connected(url, connect_timeout=1.0, command_timeout=1.0) as connection,
        site(PostgresMemberships(connection), clock=clock) as opened,
    ):
        yield opened


class TestPostgres:
    """Memberships in PostgreSQL."""

    async def test_by_hand(self, database_url: str) -> None:
        """A row that somebody writes is seen within a moment, whatever was answered before."""
        async with on_postgres(database_url) as opened, operated(database_url) as operator:
            await opened.becomes(403)

            await operator.execute(INSERT)
            await opened.becomes(200)

            await operator.execute("DELETE FROM fanfare_memberships")
            await opened.becomes(403)

            command = await opened.commanded()
        assert command.channels == ("private-campaign.5",)

    async def test_two_processes(self, database_url: str) -> None:
        """What one process writes, the other sees within a moment."""
        one = {"user": "7", "group": "campaign:5"}
        async with on_postgres(database_url) as first, on_postgres(database_url) as second:
            await second.becomes(403)

            await first.write(hdrs.METH_PUT, one)
            await second.becomes(200)

            await first.write(hdrs.METH_DELETE, one)
            await second.becomes(403)

    async def test_nobody_listened(self, database_url: str) -> None:
        """A row that is deleted while no auth runs is told to gateways by the next that does."""
        async with on_postgres(database_url) as opened:
            await opened.write(hdrs.METH_PUT, {"user": "7", "group": "campaign:5"})
        async with operated(database_url) as operator:
            await operator.execute("DELETE FROM fanfare_memberships")
            await operator.execute(
                "UPDATE fanfare_removals SET removed_at = removed_at - interval '30 minutes'"
            )
        removed_at = time.time() - 30 * 60

        async with on_postgres(database_url, clock=time.time) as opened:
            command = await opened.commanded()

        assert (command.subject, command.channels) == ("7", ("private-campaign.5",))
        assert command.issued_at == pytest.approx(removed_at + 60, abs=CLOCKS)
        assert command.expires_at == pytest.approx(command.issued_at + DEFAULT_MAX_TTL + LEEWAY)

    async def test_cut_off(self, database_url: str) -> None:
        """So is one that is deleted while auth has lost its connections."""
        async with on_postgres(database_url) as opened:
            await opened.write(hdrs.METH_PUT, {"user": "7", "group": "campaign:5"})
            await self.remembered(opened)
            async with cut_off(database_url) as operator:
                await operator.execute("DELETE FROM fanfare_memberships")

            command = await opened.commanded()
            await opened.becomes(403)

        assert (command.subject, command.channels) == ("7", ("private-campaign.5",))

    async def test_back_again(self, database_url: str) -> None:
        """Who was removed and put again while no auth ran is not sent away."""
        other = {"user": "8", "group": "campaign:5"}
        async with on_postgres(database_url) as opened:
            await opened.write(hdrs.METH_PUT, {"user": "7", "group": "campaign:5"})
            await opened.write(hdrs.METH_PUT, other)
        async with operated(database_url) as operator:
            await operator.execute("DELETE FROM fanfare_memberships WHERE user_id = '7'")
            await operator.execute("DELETE FROM fanfare_memberships WHERE user_id = '8'")
            await operator.execute(INSERT)

        async with on_postgres(database_url) as opened:
            command = await opened.commanded()

        assert command.subject == "8"

    async def test_stopped(self) -> None:
        """PostgreSQL stopped: what was answered lately still decides, anything else is 503."""
        async with postgres_server() as server, on_postgres(server.url) as opened:
            await opened.write(hdrs.METH_PUT, {"user": "7", "group": "campaign:5"})
            await self.remembered(opened)

            await server.stop()

            assert await opened.status() == 200
            assert await opened.status("private-campaign.6") == 503

            await self.changed_while_away(server, opened)

    async def remembered(self, opened: Site) -> None:
        """Wait until an answer is remembered: listening begins with forgetting."""

        async def is_so() -> bool:
            before = opened.memberships.questions
            return await opened.status() == 200 and opened.memberships.questions == before

        await eventually(is_so, timeout=DEADLINE)

    async def changed_while_away(self, server: Server, opened: Site) -> None:
        """When it is back, all is asked for again."""
        await server.start()
        async with operated(server.url) as operator:
            await operator.execute("DELETE FROM fanfare_memberships")
        await opened.becomes(403)
