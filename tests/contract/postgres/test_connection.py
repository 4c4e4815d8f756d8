"""The connections to PostgreSQL: every wait ends, and TLS is what the URL says."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import asyncpg
import pytest

from libs.common.config.address import Url
from libs.common.errors import Misconfigured, Unavailable
from libs.common.postgres.connection import PostgresConnection, reason
from libs.common.postgres.settings import PostgresSettings
from tests.support.deadline import DEADLINE
from tests.support.servers import Certificates, Server, postgres_server
from tests.support.servers.ports import free_port

PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"
IS_ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


def connected(url: str, **settings: Any) -> PostgresConnection:
    return PostgresConnection(Url(url), "apps", PostgresSettings(**settings))


async def asked(url: str, query: str, **settings: Any) -> Any:
    """Ask one question over connections of their own."""
    async with (
        asyncio.timeout(DEADLINE),
        connected(url, **settings) as connection,
        connection.acquired() as acquired,
    ):
        return await acquired.fetchval(query)


async def refused(url: str, query: str = "SELECT 1", **settings: Any) -> str:
    """Ask a question that gets no answer; return why."""
    with pytest.raises(Unavailable) as raised:
        await asked(url, query, **settings)
    assert raised.value.backend == "apps"
    return reason(raised.value)


@contextmanager
def paused(server: Server) -> Iterator[None]:
    """Freeze a server for a while."""
    server.pause()
    try:
        yield
    finally:
        server.resume()


class TestUse:
    """Connections are opened when they are needed, and kept."""

    async def test_answers(self, postgres_url: str) -> None:
        """What is asked is answered, and PostgreSQL knows who asks."""
        assert await asked(postgres_url, "SHOW application_name") == "fanfare apps"

    async def test_used_again(self, postgres_url: str) -> None:
        """A connection that was given back serves the next one."""
        async with connected(postgres_url) as connection:
            pids = set()
            for _ in range(3):
                async with connection.acquired() as acquired:
                    pids.add(await acquired.fetchval("SELECT pg_backend_pid()"))

        assert len(pids) == 1

    async def test_without_prepared_statements(self, postgres_url: str) -> None:
        """Behind a pooler nothing is left prepared on the server."""
        async with (
            connected(postgres_url, prepared_statements=0) as connection,
            connection.acquired() as acquired,
        ):
            await acquired.fetchval("SELECT 1")

            assert await acquired.fetchval(PREPARED) == 0

    async def test_own_mistake(self, postgres_url: str) -> None:
        """A statement that PostgreSQL does not understand is our fault, and not its absence."""
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await asked(postgres_url, "SELEKT 1")


class TestAway:
    """What shows PostgreSQL away is `Unavailable`."""

    async def test_nobody_there(self) -> None:
        """Where nobody listens it is unavailable."""
        assert "Connect call failed" in await refused(f"postgresql://127.0.0.1:{free_port()}/db")

    async def test_no_such_database(self, postgres_url: str) -> None:
        """A database that does not exist is unavailable: it may be created."""
        assert "does not exist" in await refused(f"{postgres_url}-none")

    async def test_user_that_may_be_a_password(self, postgres_url: str) -> None:
        """A user without a password may be one, and is not repeated; one with a password is named."""
        server = postgres_url.rpartition("@")[2]

        assert "hush" not in await refused(f"postgresql://hush@{server}")
        assert "hush" not in await refused(f"postgresql://hush:@{server}")
        assert '"nobody"' in await refused(f"postgresql://nobody:hush@{server}")

    async def test_broken_connection(self, postgres_url: str) -> None:
        """A connection that broke is unavailable once, and then another one takes its place."""
        async with connected(postgres_url) as connection:
            with pytest.raises(Unavailable):
                async with connection.acquired() as acquired:
                    await acquired.execute("SELECT pg_terminate_backend(pg_backend_pid())")

            async with connection.acquired() as acquired:
                assert await acquired.fetchval("SELECT 1") == 1


class TestDeadlines:
    """Every wait has a deadline."""

    async def test_slow_answer(self, postgres_url: str) -> None:
        """An answer that takes longer than command_timeout is not waited for."""
        await refused(postgres_url, "SELECT pg_sleep(3600)", command_timeout=0.2)

    async def test_all_in_use(self, postgres_url: str) -> None:
        """With all connections in use the next one is not waited for longer than connect_timeout."""
        async with (
            connected(postgres_url, pool_size=2, connect_timeout=1) as connection,
            AsyncExitStack() as stack,
        ):
            for _ in range(2):
                await stack.enter_async_context(connection.acquired())

            async with asyncio.timeout(DEADLINE):
                with pytest.raises(Unavailable):
                    await stack.enter_async_context(connection.acquired())

    async def test_silent_server(self) -> None:
        """A server that accepts and says nothing is not waited for."""
        async with postgres_server() as server:
            with paused(server):
                await refused(server.url, connect_timeout=0.5)

    async def test_closing_while_silent(self) -> None:
        """A server that fell silent keeps nobody from ending."""
        async with postgres_server() as server, AsyncExitStack() as stack:
            connection = await stack.enter_async_context(connected(server.url, command_timeout=0.5))
            acquired = await stack.enter_async_context(connection.acquired())
            with paused(server):
                with pytest.raises(TimeoutError):
                    await acquired.fetchval("SELECT 1")

                async with asyncio.timeout(DEADLINE):
                    await stack.aclose()


class TestSecured:
    """libpq, "SSL Support": what each sslmode promises."""

    @pytest.fixture
    def bare(self, postgres_tls_url: str) -> str:
        """Return the URL of a server that admits nobody without TLS, without its options."""
        return postgres_tls_url.partition("?")[0]

    async def test_verified(self, postgres_tls_url: str) -> None:
        """verify-full with the server's authority: encrypted."""
        assert "verify-full" in postgres_tls_url
        assert await asked(postgres_tls_url, IS_ENCRYPTED) is True

    async def test_another_authority(
        self, bare: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """verify-ca and verify-full with another authority: not spoken to."""
        stranger = Certificates.issue(tmp_path_factory.mktemp("stranger"))
        for mode in ("verify-ca", "verify-full"):
            why = await refused(f"{bare}?sslmode={mode}&sslrootcert={stranger.ca}")
            assert "certificate verify failed" in why

    async def test_another_name(self, bare: str, certificates: Certificates) -> None:
        """A name that the certificate does not have: verify-full refuses it, verify-ca does not mind."""
        nameless = bare.replace("127.0.0.1", "127.1")
        trusting = f"{nameless}?sslrootcert={certificates.ca}&sslmode="

        assert "certificate verify failed" in await refused(f"{trusting}verify-full")
        assert await asked(f"{trusting}verify-ca", IS_ENCRYPTED) is True

    async def test_required(self, bare: str) -> None:
        """Require encrypts, and asks nobody who the server is."""
        assert await asked(f"{bare}?sslmode=require", IS_ENCRYPTED) is True

    async def test_disabled(self, bare: str) -> None:
        """Disable speaks in the clear, which this server refuses."""
        assert "pg_hba.conf" in await refused(f"{bare}?sslmode=disable")

    async def test_server_without_tls(self, postgres_url: str, certificates: Certificates) -> None:
        """Where the server has no TLS, require and more never fall back to none."""
        for options in ("sslmode=require", f"sslmode=verify-full&sslrootcert={certificates.ca}"):
            assert "SSL" in await refused(f"{postgres_url}?{options}")

    def test_missing_file(self, bare: str) -> None:
        """A certificate that cannot be read stops the start, by its name."""
        with pytest.raises(Misconfigured, match=r"sslrootcert=/none/ca\.pem .* cannot be read"):
            connected(f"{bare}?sslmode=verify-full&sslrootcert=/none/ca.pem")
