"""
Apps in PostgreSQL: the rows of ``fanfare_apps``.  See `apps.Apps`.

All rows are kept at hand.  They are read again when PostgreSQL notifies of a change (migrations/0001_apps.sql),
after each new connection, and every minute: behind a pooler that changes servers between transactions no
notification arrives.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import structlog

from libs.common.address import Url
from libs.common.apps import App, MemoryApps
from libs.common.connection_postgres import PostgresConnection, reason
from libs.common.errors import Unavailable
from libs.common.limits import Limits
from libs.common.retry import Backoff
from libs.common.secret import Secret
from libs.common.settings import PostgresSettings
from libs.common.token_settings import AppTokenKey

REREAD = 60.0  # Seconds between two readings when nothing is heard.
NOTIFICATIONS = "fanfare_apps"
QUERY = f"SELECT {', '.join(App.__struct_fields__)} FROM fanfare_apps"  # noqa: S608 - our own names

log = structlog.get_logger()


class PostgresApps:
    """
    Apps that PostgreSQL keeps.  See `Apps`.

    A row that makes no valid app is skipped, and said once.

    Args:
        url: See `postgres_address`.
        settings: Size and deadlines of the connection.
        reread: Seconds between two readings when nothing is heard.

    Raises:
        Misconfigured: The URL cannot work.
    """

    def __init__(self, url: Url, settings: PostgresSettings, *, reread: float = REREAD) -> None:
        self._settings = settings
        self._connection = PostgresConnection(url, "apps", settings)
        self._reread = reread
        self._apps: MemoryApps | None = None
        self._faults: dict[str, str] = {}
        self._is_lost = False
        self._tried = asyncio.Event()

    def by_key(self, key: str) -> App:
        """See `Apps.by_key`."""
        return self._known().by_key(key)

    def by_id(self, app_id: str) -> App:
        """See `Apps.by_id`."""
        return self._known().by_id(app_id)

    def all(self) -> tuple[App, ...]:
        """See `Apps.all`."""
        return self._known().all()

    def _known(self) -> MemoryApps:
        if self._apps is None:
            raise Unavailable("apps")
        return self._apps

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Follow changes while the context is open; it opens when a first reading succeeded or failed."""
        try:
            async with self._connection, asyncio.TaskGroup() as tasks:
                following = tasks.create_task(self._follow())
                try:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._settings.connect_timeout):
                            await self._tried.wait()
                    yield
                finally:
                    following.cancel()
        except ExceptionGroup as group:
            if len(group.exceptions) > 1:
                raise
            raise group.exceptions[0]  # noqa: B904 - what the caller raised, with its own cause

    async def _follow(self) -> None:
        backoff = Backoff()
        while True:
            try:
                async with self._connection.acquired() as connection:
                    await self._listen(connection, backoff)
            except Unavailable as error:
                self._lost(error)
            await asyncio.sleep(backoff.delay())

    async def _listen(self, connection: Any, backoff: Backoff) -> None:
        """Read at once and after each notification, until the connection breaks."""
        stirred, ended = asyncio.Event(), asyncio.Event()

        def stir(*_: object) -> None:
            stirred.set()

        def end(*_: object) -> None:
            ended.set()
            stirred.set()

        connection.add_termination_listener(end)
        try:
            await connection.add_listener(NOTIFICATIONS, stir)
            while not ended.is_set():
                stirred.clear()
                self._read(await connection.fetch(QUERY))
                backoff.reset()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._reread):
                        await stirred.wait()
        finally:
            if not ended.is_set():  # It listens, so the pool shall not lend it to others.
                connection.terminate()
        raise Unavailable("apps") from ConnectionError("PostgreSQL closed the connection")

    def _read(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put what was read in the place of what was known."""
        faults: dict[str, str] = {}
        apps = []
        for row in rows:
            try:
                apps.append(_app(row))
            except ValueError as error:
                faults[row["id"]] = str(error)
        known = self._apps.all() if self._apps else ()
        self._apps = MemoryApps(apps)
        if self._apps.all() != known:
            log.info("apps.changed", apps=len(apps))
        self._report(faults)

    def _report(self, faults: dict[str, str]) -> None:
        for app_id, fault in faults.items():
            if self._faults.get(app_id) != fault:
                log.error("app.skipped", app=app_id, reason=fault)
        self._faults = faults
        if self._is_lost:
            log.info("postgres.found", backend="apps")
        self._is_lost = False
        self._tried.set()

    def _lost(self, error: Unavailable) -> None:
        if not self._is_lost:
            log.warning("postgres.lost", backend="apps", reason=reason(error))
        self._is_lost = True
        self._tried.set()


def _limits(text: str) -> Limits:
    try:
        return msgspec.json.decode(text, type=Limits)
    except msgspec.DecodeError as error:
        raise ValueError(f"limits: {error}") from error


def _token_keys(text: str) -> tuple[AppTokenKey, ...]:
    try:
        return msgspec.json.decode(text, type=tuple[AppTokenKey, ...])
    except msgspec.DecodeError as error:
        raise ValueError(f"token_keys: {error}") from error


def _app(row: Mapping[str, Any]) -> App:
    """
    Make an app of a row.

    Raises:
        ValueError: It makes none.
    """
    secrets = tuple(Secret(text or "") for text in row["secrets"])
    return App(
        **{
            **row,
            "secrets": secrets,
            "encryption_master_key": Secret(row["encryption_master_key"]),
            "allowed_origins": tuple(row["allowed_origins"]),
            "limits": _limits(row["limits"]),
            "token_keys": _token_keys(row["token_keys"]),
        }
    )
