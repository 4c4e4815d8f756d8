"""What a PostgreSQL says of itself: version, role, migrations, clock; for operators."""

import time
from dataclasses import dataclass
from typing import Any

import asyncpg

from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.migrate import migrations

_ABOUT = """
    SELECT current_setting('server_version'), pg_is_in_recovery(),
        current_setting('max_connections')::int,
        extract(epoch FROM clock_timestamp())::float8
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """
    A server as it describes itself, and what it has of our migrations.

    Attributes:
        version: Such as ``15.14``; what a distribution adds is left out.
        is_replica: Whether it only follows another.
        most: Connections that it takes in all.
        pending: Migrations of this release that the database lacks; None: this role may not know.
        ahead: Seconds by which its clock is ahead of ours; below 0 it is behind.
    """

    version: str
    is_replica: bool
    most: int
    pending: tuple[str, ...] | None
    ahead: float


async def inspected(connection: PostgresConnection) -> PostgresServer:
    """
    Ask a server; nothing is changed.

    Raises:
        Unavailable: It is away; the cause says why.
    """
    async with connection.acquired() as asked:
        began = time.time()
        version, is_replica, most, instant = await asked.fetchrow(_ABOUT)
        ahead = instant - (began + time.time()) / 2
        return PostgresServer(
            version=version.partition(" ")[0],
            is_replica=is_replica,
            most=most,
            pending=await _pending(asked),
            ahead=ahead,
        )


async def _pending(asked: Any) -> tuple[str, ...] | None:
    """Name the migrations that are still to come."""
    try:
        rows = await asked.fetch("SELECT name FROM fanfare_migrations")
    except asyncpg.UndefinedTableError:
        rows = []
    except asyncpg.InsufficientPrivilegeError:
        return None
    applied = {row["name"] for row in rows}
    return tuple(step.name for step in migrations() if step.name not in applied)
