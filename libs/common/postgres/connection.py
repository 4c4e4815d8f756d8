"""
The connections of one port to PostgreSQL: a small pool, opened when it is first needed.

Every wait has a deadline.  What shows PostgreSQL away,
unwilling or not migrated is `Unavailable`; an error of our own, such as a statement that it does
not understand, is not.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Self

import asyncpg

from libs.common.config.address import Url
from libs.common.config.masks import shown_path
from libs.common.config.url_parts import parts_of
from libs.common.errors import Misconfigured, Unavailable
from libs.common.outage import Outage, reason_of
from libs.common.postgres.address import FILES, options
from libs.common.postgres.settings import PostgresSettings

CLOSE_TIMEOUT = 2.0  # Seconds that connections get to say goodbye.

REFUSED = asyncpg.PostgresError  # The server answered a statement with an error.
CANCELED = asyncpg.QueryCanceledError  # Such an answer: the statement took too long, or was ended.

_UNMIGRATED = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError)
TROUBLE = (
    OSError,  # TimeoutError and ssl.SSLError are such.
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,  # No such database.
    *_UNMIGRATED,
    asyncpg.InvalidCachedStatementError,  # Migrated meanwhile.
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ReadOnlySQLTransactionError,  # A replica, before its promotion.
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,  # Shutting down or starting up.
    asyncpg.PostgresSystemError,
)


class PostgresConnection:
    """
    A port's connections to PostgreSQL.

    Nothing is opened before the first use, so a start never fails because PostgreSQL is away.  Use
    it as an asynchronous context; leaving it closes all connections.

    Args:
        url: One that `libs.common.postgres.address` describes.
        backend: The port's name, for `Unavailable`.
        settings: Size and deadlines.

    Attributes:
        backend: The port's name.
        outage: Whether PostgreSQL is away, or refuses what is asked, as far as this port can tell.
        acquires: How often a connection was asked for.
        acquire_seconds: How long was waited for these, in all.

    Raises:
        Misconfigured: The URL, or the file that it names, cannot work.
    """

    def __init__(self, url: Url, backend: str, settings: PostgresSettings) -> None:
        check(url)
        self.backend = backend
        self.outage = Outage(backend, server=str(url))
        self._settings = settings
        self._url = url
        self._pool: Any = None
        self.acquires = 0
        self.acquire_seconds = 0.0

    @property
    def used(self) -> int:
        """How many connections are in use."""
        return self._pool.get_size() - self._pool.get_idle_size() if self._pool else 0

    @property
    def most(self) -> int:
        """How many connections there may be."""
        return self._settings.pool_size

    async def __aenter__(self) -> Self:
        settings = self._settings
        self._pool = await asyncpg.create_pool(
            self._url.reveal(),
            min_size=0,
            max_size=settings.pool_size,
            timeout=settings.connect_timeout,
            command_timeout=settings.command_timeout,
            statement_cache_size=settings.prepared_statements,
            server_settings={"application_name": f"fanfare {self.backend}"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        pool, self._pool = self._pool, None
        with suppress(TimeoutError, *TROUBLE):  # It terminates what it cannot close.
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await pool.close()

    @asynccontextmanager
    async def acquired(self, *, by: str = "reader") -> AsyncIterator[Any]:
        """
        Use a connection (`asyncpg.Connection`) for a while; one that broke is not used again.

        Args:
            by: What for, as the outage knows it: who writes may be refused where others read.

        Raises:
            Unavailable: None can be had in time, or PostgreSQL failed us meanwhile.
        """
        try:
            connection = await self._acquire()
            try:
                with translated(self.backend):
                    yield connection
            finally:
                with suppress(*TROUBLE):
                    await self._pool.release(connection, timeout=CLOSE_TIMEOUT)
        except Unavailable as error:
            self.outage.lost(reason(error), by=by)
            raise
        self.outage.found(by=by)

    async def _acquire(self) -> Any:
        began = time.monotonic()
        try:
            return await self._pool.acquire(timeout=self._settings.connect_timeout)
        except (*TROUBLE, asyncpg.PostgresError) as error:  # Whatever it is: it does not let us in.
            raise Unavailable(self.backend) from discreet(error, self._url)
        finally:
            self.acquires += 1
            self.acquire_seconds += time.monotonic() - began


def check(url: Url) -> None:
    """
    Check a URL and the files that it names.

    Raises:
        Misconfigured: It cannot work, or one of them cannot be read.
    """
    named = options(url.reveal())
    for name in FILES:
        file = named.get(name)
        if file and not os.access(file, os.R_OK):
            shown = f"{name}={shown_path(file)}"
            raise Misconfigured(f"{shown} of the PostgreSQL URL cannot be read")


def discreet(error: Exception, url: Url) -> Exception:
    """Return what to say of an error that quotes the user, where that may be the password alone."""
    parts = parts_of(url.reveal())
    is_quoted = isinstance(error, asyncpg.InvalidAuthorizationSpecificationError)
    if not is_quoted or parts is None or not parts.login or parts.user:
        return error
    return ConnectionError("PostgreSQL does not let this user in")


def reason(error: Unavailable) -> str:
    """Say in one line what is behind an `Unavailable`, and what helps."""
    said = reason_of(error)
    is_ours = isinstance(error.__cause__, _UNMIGRATED) and "fanfare_" in said
    return f"{said}; run fanfare migrate" if is_ours else said


@contextmanager
def translated(backend: str) -> Iterator[None]:
    """
    Turn what shows PostgreSQL away or unwilling into `Unavailable`.

    Raises:
        Unavailable: PostgreSQL failed; the cause says how.
    """
    try:
        yield
    except TROUBLE as error:
        raise Unavailable(backend) from error
