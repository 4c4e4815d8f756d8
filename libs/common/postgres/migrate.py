"""
The migrations of the database: the numbered files of ``migrations/``, each applied once, in order.

Each is applied in a transaction together with its entry in ``fanfare_migrations``; a session lock
lets runners take turns.  The entry holds a checksum of the whole file: once released it never
changes, comments included, and goes on calling modules by the names that they had then.  What must
change becomes a new file.

A program is ready once the database has all that it knows.  An older one runs well on a newer
database, as long as migrations only add, and so two releases may meet in a rolling deploy.
"""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import asyncpg

from libs.common.config.address import Url
from libs.common.errors import Misconfigured, Unavailable
from libs.common.postgres.connection import CLOSE_TIMEOUT, check, discreet, translated

LOCK = 0x66616E66  # "fanf": the session lock's number.
LOCK_TIMEOUT = 60.0  # Seconds to wait for another runner, and for whoever uses a table.
CONNECT_TIMEOUT = 10.0
COMMAND_TIMEOUT = 900.0  # Seconds that one migration may take.

_NAME = re.compile(r"\d{4}_[a-z0-9_]+\.sql")
_RECORDS = """
    CREATE TABLE IF NOT EXISTS fanfare_migrations (
        name       text PRIMARY KEY,
        checksum   text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )
"""
_NOT_ALLOWED = (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidSchemaNameError)
_PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
)


class UnknownMigration(Misconfigured):
    """The database was migrated by a newer release."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the database has the migration {name}, which this release does not know: "
            "it was migrated by a newer one, which alone may migrate it further"
        )
        self.name = name


class ChangedMigration(Misconfigured):
    """A migration's file is not what was applied."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the migration {name} was applied with another content than it has now: "
            "restore its file, and put the change into a new one"
        )
        self.name = name


class FailedMigration(Misconfigured):
    """PostgreSQL refused a migration; nothing of it was kept."""

    def __init__(self, name: str, error: asyncpg.PostgresError) -> None:
        super().__init__(f"the migration {name} failed, and nothing of it was kept: {error}")
        self.name = name


class MigrationsBusy(Unavailable):
    """Another runner migrates, or somebody uses a table, for longer than we wait."""

    def __init__(self) -> None:
        super().__init__("postgres")
        self.args = ("somebody else migrates the database, or uses its tables; try again later",)


@dataclass(frozen=True, slots=True)
class Migration:
    """A step: the name of its file, and its SQL."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """What tells whether it was changed after it was applied."""
        return sha256(self.sql.encode()).hexdigest()


def migrations(directory: Traversable | None = None) -> list[Migration]:
    """Read the migrations in order; those of the program unless a directory is given."""
    directory = directory or files("libs.common.postgres") / "migrations"
    found = [
        Migration(file.name, file.read_text(encoding="utf-8"))
        for file in directory.iterdir()
        if file.name.endswith(".sql")
    ]
    found.sort(key=lambda migration: migration.name)
    numbers = [migration.name[:4] for migration in found]
    if numbers != [f"{number:04}" for number in range(1, len(found) + 1)] or not all(
        _NAME.fullmatch(migration.name) for migration in found
    ):
        raise AssertionError("migrations are numbered 0001, 0002, …: 0001_name.sql")
    return found


async def check_migrated(connection: Any) -> None:
    """
    Check that a database has all migrations of this release; a newer one may have more.

    Args:
        connection: An `asyncpg.Connection`, of a role that perhaps may not know.

    Raises:
        asyncpg.UndefinedTableError: It has not, or none.
    """
    try:
        rows = await connection.fetch("SELECT name FROM fanfare_migrations")
    except asyncpg.InsufficientPrivilegeError:
        return
    applied = {row["name"] for row in rows}
    missing = [step.name for step in migrations() if step.name not in applied]
    if missing:
        raise asyncpg.UndefinedTableError(f"fanfare_migrations lacks {missing[0]}")


async def migrate(
    url: Url,
    *,
    steps: Sequence[Migration] | None = None,
    lock_timeout: float = LOCK_TIMEOUT,
) -> list[str]:
    """
    Bring a database up to date.

    Args:
        url: See `libs.common.postgres.address`; the role must be allowed to create tables.
        steps: The migrations; None: those of this program.
        lock_timeout: Seconds to wait for others.

    Returns:
        The names of those that were applied now, in order.

    Raises:
        Misconfigured: The URL cannot work, or one of `UnknownMigration`, `ChangedMigration`,
            `FailedMigration`; those before the one named were applied.
        Unavailable: PostgreSQL is away, or `MigrationsBusy`.
    """
    check(url)
    steps = migrations() if steps is None else steps
    with translated("postgres"):
        async with _connected(url, lock_timeout) as connection:
            await _take_turn(connection)
            missing = await _missing(connection, steps)
            for step in missing:
                await _apply(connection, step)
    return [step.name for step in missing]


@asynccontextmanager
async def _connected(url: Url, lock_timeout: float) -> AsyncIterator[Any]:
    connection = await _connection(url)
    try:
        # For the session lock and for tables alike; 0 would mean to wait without end.
        milliseconds = str(max(1, round(lock_timeout * 1000)))
        await connection.execute("SELECT set_config('lock_timeout', $1, false)", milliseconds)
        yield connection
    finally:
        await connection.close(timeout=CLOSE_TIMEOUT)


async def _connection(url: Url) -> Any:
    try:
        return await asyncpg.connect(
            url.reveal(),
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            statement_cache_size=0,
            server_settings={"application_name": "fanfare migrate"},
        )
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise discreet(error, url) from None


async def _take_turn(connection: Any) -> None:
    """Wait for the other runners; the lock ends with the connection."""
    try:
        await connection.execute(f"SELECT pg_advisory_lock({LOCK})")
    except asyncpg.LockNotAvailableError as error:
        raise MigrationsBusy from error


async def _missing(connection: Any, steps: Sequence[Migration]) -> list[Migration]:
    """Compare what was applied with what there is, and return what is to be done."""
    try:
        await connection.execute(_RECORDS)
    except _NOT_ALLOWED as error:
        raise Misconfigured(f"the role cannot create tables in this database: {error}") from error
    rows = await connection.fetch("SELECT name, checksum FROM fanfare_migrations ORDER BY name")
    applied = {row["name"]: row["checksum"] for row in rows}
    known = {step.name: step.checksum for step in steps}
    for name, checksum in applied.items():
        if name not in known:
            raise UnknownMigration(name)
        if known[name] != checksum:
            raise ChangedMigration(name)
    return [step for step in steps if step.name not in applied]


async def _apply(connection: Any, step: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(step.sql)
            await connection.execute(
                "INSERT INTO fanfare_migrations (name, checksum) VALUES ($1, $2)",
                step.name,
                step.checksum,
            )
    except asyncpg.LockNotAvailableError as error:
        raise MigrationsBusy from error
    except _PASSING:
        raise
    except asyncpg.PostgresError as error:
        raise FailedMigration(step.name, error) from error
