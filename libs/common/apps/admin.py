"""
The register of apps in PostgreSQL: what an operator does to the rows of ``fanfare_apps``.

`libs.common.apps.postgres` is the other side: there the services read them, and hear of every
change that is made here.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from libs.common.apps import rotation
from libs.common.apps.app import App
from libs.common.apps.rotation import Secrets
from libs.common.apps.rows import (
    COLUMNS,
    NO_WEBHOOKS,
    SELECTED,
    Row,
    app_of,
    changed,
    fault_of,
    row_of,
    secrets_of,
)
from libs.common.apps.webhooks import WebhookSettings
from libs.common.errors import Invalid
from libs.common.postgres.connection import PostgresConnection

TRIES = 10  # How often a number is chosen anew because somebody else was faster.

_PLACES = ", ".join(f"${number}" for number in range(1, len(COLUMNS) + 1))
_INSERT = (
    f"INSERT INTO fanfare_apps ({', '.join(COLUMNS)}) "  # noqa: S608 - our own names
    f"VALUES ({_PLACES}) "
    "ON CONFLICT DO NOTHING RETURNING id"
)
_NUMERIC = "id ~ '^[0-9]{1,18}$'"  # What fits into a bigint.
_NEXT = f"SELECT coalesce(max(id::bigint), 0) + 1 FROM fanfare_apps WHERE {_NUMERIC}"  # noqa: S608
_LIST = f"""
    SELECT {SELECTED} FROM fanfare_apps
    ORDER BY CASE WHEN {_NUMERIC} THEN id::bigint END NULLS LAST, id
"""  # noqa: S608
_LOCKED = f"SELECT {SELECTED} FROM fanfare_apps WHERE id = $1 FOR UPDATE"  # noqa: S608


class NoSuchApp(Invalid):
    """There is no app with this id."""

    def __init__(self, app_id: str) -> None:
        super().__init__(f"there is no app {app_id[:64]!r}")


class Taken(Invalid):
    """Another app has this id, or this key."""

    def __init__(self, what: str, text: str) -> None:
        super().__init__(f"another app has the {what} {text[:64]!r}")


class Unfit(Invalid):
    """What was asked for would make no valid app."""

    def __init__(self, app_id: str, fault: str) -> None:
        super().__init__(f"nothing was changed: {fault}")
        self.app_id = app_id


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What is told of an app.

    Attributes:
        id: As in `App`.
        key: As in `App`.
        name: As in `App`.
        enabled: As in `App`.
        secrets: How many secrets the app has.
        fault: Why the row makes no valid app; empty: it makes one.
    """

    id: str
    key: str
    name: str
    enabled: bool
    secrets: int
    fault: str = ""


class AppAdmin:
    """
    Lists and changes apps.

    Every method raises `Unavailable` where PostgreSQL is away or not migrated.

    Args:
        connection: Opened by the caller.
    """

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    async def lines(self) -> list[Line]:
        """Tell of all apps, in order of their numbers."""
        async with self._connection.acquired() as connection:
            return [_line(row) for row in await connection.fetch(_LIST)]

    async def apps(self) -> list[App]:
        """Return the apps, secrets included, in order of their numbers; what makes none is not."""
        async with self._connection.acquired() as connection:
            rows = await connection.fetch(_LIST)
        return [app_of(row) for row in rows if not fault_of(row)]

    async def add(self, make: Callable[[str], App], app_id: str = "") -> App:
        """
        Add an app.

        Args:
            make: Makes it, with the id that it is given.
            app_id: The id; empty: the number after the highest.

        Returns:
            The app.

        Raises:
            Taken: Another app has this id or key.
        """
        async with self._connection.acquired() as connection:
            for _ in range(TRIES):
                app = make(app_id or str(await connection.fetchval(_NEXT)))
                if await connection.fetchval(_INSERT, *row_of(app)) is not None:
                    return app
                known = "SELECT EXISTS (SELECT FROM fanfare_apps WHERE key = $1)"
                if await connection.fetchval(known, app.key):
                    raise Taken("key", app.key)
                if app_id:
                    break
        raise Taken("id", app.id)

    async def switch(self, app_id: str, *, enabled: bool) -> None:
        """
        Switch an app on or off.

        Raises:
            NoSuchApp: There is none with this id.
        """
        update = "UPDATE fanfare_apps SET enabled = $2 WHERE id = $1 RETURNING id"
        async with self._connection.acquired() as connection:
            if await connection.fetchval(update, app_id, enabled) is None:
                raise NoSuchApp(app_id)

    async def change(
        self,
        app_id: str,
        columns: Mapping[str, Any],
        limits: Mapping[str, float | None],
        *,
        webhooks: Mapping[str, WebhookSettings | None] = NO_WEBHOOKS,
    ) -> None:
        """
        Change columns of an app's row, whatever else is changed at once.

        A row that is wrong can be mended so.

        Args:
            app_id: The id of the app.
            columns: New values, as PostgreSQL takes them; names are of `App`.
            limits: New limits; None: the default.
            webhooks: The new webhook of each name; None: it is taken out.

        Raises:
            NoSuchApp: There is none with this id.
            Unfit: The row would make no valid app; then nothing changes.
        """
        async with self._connection.acquired() as connection, connection.transaction():
            row = await connection.fetchrow(_LOCKED, app_id)
            if row is None:
                raise NoSuchApp(app_id)
            try:
                after = changed(row, columns, limits, webhooks=webhooks)
                app_of({**row, **after})
            except ValueError as error:
                raise Unfit(app_id, str(error)) from error
            sets = ", ".join(f"{name} = ${at}" for at, name in enumerate(after, start=2))
            update = f"UPDATE fanfare_apps SET {sets} WHERE id = $1"  # noqa: S608 - our own names
            await connection.execute(update, app_id, *after.values())

    async def rotate(self, app_id: str, step: Callable[[Secrets], Secrets]) -> Secrets:
        """
        Take a step of `rotation`; of several at once each begins where the one before ended.

        Returns:
            The secrets as they are now.

        Raises:
            NoSuchApp: There is no app with this id.
            Invalid: What the step raises; then nothing changes.
        """
        read = "SELECT secrets FROM fanfare_apps WHERE id = $1 FOR UPDATE"
        write = "UPDATE fanfare_apps SET secrets = $2 WHERE id = $1"
        async with self._connection.acquired() as connection, connection.transaction():
            row = await connection.fetchrow(read, app_id)
            if row is None:
                raise NoSuchApp(app_id)
            before = secrets_of(row)
            after = step(before)
            if after != before:
                await connection.execute(write, app_id, [secret.reveal() for secret in after])
        return after


def _line(row: Row) -> Line:
    secrets = rotation.count(secrets_of(row))
    return Line(row["id"], row["key"], row["name"], row["enabled"], secrets, fault_of(row))
