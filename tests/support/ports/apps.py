"""Apps on any backend, and a way to change them as an operator does."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from libs.common.apps.port import Apps
from libs.common.apps.postgres import PostgresApps
from libs.common.config.address import Url
from libs.common.config.secret import Secret
from libs.common.errors import Unavailable
from libs.common.postgres.migrate import migrate
from libs.common.postgres.settings import PostgresSettings
from tests.support.deadline import DEADLINE
from tests.support.servers.process import eventually

NEVER = 3600.0  # Seconds that do not pass in a test.
MEMORY = "memory://"
COLUMNS = App.__struct_fields__


class Operator:
    """
    Changes apps.

    Args:
        url: Where they are.
        memory: They, if they are in memory.
    """

    def __init__(self, url: str, memory: MemoryApps) -> None:
        self._url = url
        self._memory = memory

    async def replace(self, *apps: App) -> None:
        """Put these apps in the place of all."""
        if self._url == MEMORY:
            self._memory.adopt(apps)
        else:
            await keep(self._url, apps)


@dataclass(frozen=True, slots=True)
class Tenants:
    """The apps as a service sees them, and who changes them."""

    apps: Apps
    operator: Operator

    async def hold(self, *apps: App) -> None:
        """Change the apps, and wait until the service sees them."""
        await self.operator.replace(*apps)
        await seen(self.apps, lambda known: set(known) == set(apps))


@asynccontextmanager
async def tenants(url: str) -> AsyncIterator[Tenants]:
    """Open apps, none at first."""
    memory = MemoryApps(())
    apps: Apps = memory
    if url != MEMORY:
        await migrate(Url(url))
        apps = postgres_apps(url)
    async with apps.opened():
        yield Tenants(apps, Operator(url, memory))


def postgres_apps(url: str, **settings: Any) -> PostgresApps:
    """Make apps that learn of changes by notification or reconnection alone."""
    return PostgresApps(Url(url), PostgresSettings(**settings), reread=NEVER)


async def seen(apps: Apps, holds: Callable[[tuple[App, ...]], bool]) -> None:
    """Wait until the apps are as they should be."""

    async def are_so() -> bool:
        try:
            return holds(apps.all())
        except Unavailable:
            return False

    await eventually(are_so, timeout=DEADLINE)


async def keep(url: str, apps: Iterable[App]) -> None:
    """Put these apps in the place of all rows, in one transaction."""
    places = ", ".join(f"${number}" for number in range(1, len(COLUMNS) + 1))
    insert = f"INSERT INTO fanfare_apps ({', '.join(COLUMNS)}) VALUES ({places})"  # noqa: S608
    async with operated(url) as connection, connection.transaction():
        await connection.execute("DELETE FROM fanfare_apps")
        await connection.executemany(insert, [_row(app) for app in apps])


@asynccontextmanager
async def operated(url: str) -> AsyncIterator[Any]:
    """Connect as an operator does."""
    connection = await asyncpg.connect(url, timeout=DEADLINE, command_timeout=DEADLINE)
    try:
        yield connection
    finally:
        await connection.close(timeout=DEADLINE)


def _row(app: App) -> list[Any]:
    known = msgspec.structs.asdict(app)
    known["token_keys"] = msgspec.json.encode(app.token_keys).decode()
    known["webhooks"] = msgspec.json.encode(app.webhooks, enc_hook=Secret.reveal).decode()
    return [_plain(known[column]) for column in COLUMNS]


def _plain(value: Any) -> Any:
    match value:
        case Secret():
            return value.reveal()
        case Limits():
            return msgspec.json.encode(value).decode()
        case tuple():
            return [_plain(item) for item in value]
    return value
