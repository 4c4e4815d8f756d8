"""
Apps in PostgreSQL: the rows of ``fanfare_apps``.  See `libs.common.apps.port`.

All rows are kept at hand.  They are read again when PostgreSQL notifies of a change (see
``0001_apps.sql`` of `postgres.migrate`), after each new connection, and every minute: behind a
pooler that changes servers between transactions no notification arrives.
"""

import asyncio
from collections.abc import AsyncIterator, Container, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from msgspec import structs

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.apps.rows import NOTHING, SELECTED, Row, app_of, fault_of, secrets_of
from libs.common.apps.webhooks import refusals
from libs.common.config.address import Network, Url
from libs.common.errors import Unavailable
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.migrate import check_migrated
from libs.common.postgres.notifications import Notifications
from libs.common.postgres.settings import PostgresSettings

REREAD = 60.0  # Seconds between two readings when nothing is heard.
NOTIFICATIONS = "fanfare_apps"
QUERY = f"SELECT {SELECTED} FROM fanfare_apps"  # noqa: S608 - our own names

log = structlog.get_logger()


class PostgresApps:
    """
    Apps that PostgreSQL keeps.  See `Apps`.

    Of a row that makes no valid app any more the last version that did stays in force, but for its
    secrets and its switch, which are always as the row has them; one that never did is skipped.
    Either is said once.  A webhook whose URL is an address that may not be called is left out, and
    said once, too: who writes SQL has nobody to refuse it.

    Args:
        url: One that `libs.common.postgres.address` describes.
        settings: Size and deadlines of the connection.
        allow: Networks that webhooks may call although they are not public.
        reserved: Topics that no app may have, each with the setting that names it.
        reread: Seconds between two readings when nothing is heard.

    Attributes:
        connection: To PostgreSQL.

    Raises:
        Misconfigured: The URL cannot work.
    """

    follow_file = False

    def __init__(
        self,
        url: Url,
        settings: PostgresSettings,
        *,
        allow: Sequence[Network] = (),
        reserved: Mapping[str, str] = NOTHING,
        reread: float = REREAD,
    ) -> None:
        self._settings = settings
        self._allow = allow
        self._reserved = reserved
        self.connection = PostgresConnection(url, "apps", settings)
        self._notifications = Notifications(
            self.connection,
            NOTIFICATIONS,
            connected=self._read,
            notified=lambda _: self._notifications.check_soon(),
            checked=self._read,
            interval=reread,
        )
        self._apps: MemoryApps | None = None
        self._faults: dict[str, str] = {}
        self._refused: dict[tuple[str, str], str] = {}  # By app and webhook.

    def adopt(self, apps: Iterable[App]) -> None:
        """See `Apps.adopt`: what the file says of apps is nothing to these."""

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

    async def check(self) -> None:
        """See `Apps.check`; the database must be migrated as far as this release knows."""
        with suppress(Unavailable):
            async with self.connection.acquired() as connection:
                await connection.fetch(f"{QUERY} LIMIT 0")
                await check_migrated(connection)
        self.connection.outage.ensure()
        self._known()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Follow changes while the context is open; it opens after a first attempt to read."""
        async with self.connection, self._notifications.listening():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.connect_timeout):
                    await self._notifications.wait_for_attempt()
            yield

    async def _read(self, connection: Any) -> None:
        """Put what the rows say in the place of what was known."""
        self._adopt(await connection.fetch(QUERY))

    def _adopt(self, rows: Sequence[Row]) -> None:
        known = self._apps.all() if self._apps else ()
        faults = {row["id"]: fault for row in rows if (fault := fault_of(row, self._reserved))}
        apps = self._permitted([app_of(row) for row in rows if row["id"] not in faults])
        kept = _kept([row for row in rows if row["id"] in faults], known, apps)
        self._apps = MemoryApps([*apps, *kept])
        if self._apps.all() != known:
            log.info("apps.changed", apps=len(self._apps.all()))
        self._report(faults, {app.id for app in kept})

    def _permitted(self, apps: Sequence[App]) -> list[App]:
        """Leave out the webhooks that may not be called."""
        refused = {app.id: refusals(app, self._allow) for app in apps}
        self._report_refused(
            {(app, name): why for app, whys in refused.items() for name, why in whys.items()}
        )
        return [_without(app, refused[app.id]) for app in apps]

    def _report_refused(self, refused: dict[tuple[str, str], str]) -> None:
        for (app_id, name), reason in refused.items():
            if self._refused.get((app_id, name)) != reason:
                log.error("webhook.refused", app=app_id, webhook=name, reason=reason)
        self._refused = refused

    def _report(self, faults: dict[str, str], kept: Container[str]) -> None:
        for app_id, fault in faults.items():
            if self._faults.get(app_id) != fault:
                if app_id in kept:
                    log.error("app.kept", app=app_id, reason=fault)
                else:
                    log.error("app.skipped", app=app_id, reason=fault)
        self._faults = faults


def _without(app: App, refused: Container[str]) -> App:
    left = tuple(webhook for webhook in app.webhooks if webhook.name not in refused)
    return app if left == app.webhooks else structs.replace(app, webhooks=left)


def _kept(rows: Iterable[Row], known: Iterable[App], apps: Iterable[App]) -> list[App]:
    """Return what stays in force of rows that make no app, unless a valid one has taken its key."""
    last = {app.id: app for app in known}
    keys = {app.key for app in apps}
    kept = [_in_force(row, last[row["id"]]) for row in rows if row["id"] in last]
    return [app for app in kept if app.key not in keys]


def _in_force(row: Row, last: App) -> App:
    """
    Return the app that is in force for a row that makes none.

    It is the last one, with the row's switch and secrets.
    """
    return structs.replace(last, enabled=row["enabled"], secrets=secrets_of(row))
