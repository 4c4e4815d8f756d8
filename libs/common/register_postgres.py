"""
The register of apps in PostgreSQL: what an operator does to the rows of ``fanfare_apps``.

`apps_postgres` is the other side: there the services read them, and hear of every change that is made here.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from libs.common import rotation
from libs.common.apps import App
from libs.common.connection_postgres import PostgresConnection
from libs.common.errors import Invalid
from libs.common.limits import Limits
from libs.common.rotation import Secrets
from libs.common.secret import Secret

TRIES = 10  # How often a number is chosen anew because somebody else was faster.

_COLUMNS = App.__struct_fields__
_PLACES = ", ".join(f"${number}" for number in range(1, len(_COLUMNS) + 1))
_INSERT = (
    f"INSERT INTO fanfare_apps ({', '.join(_COLUMNS)}) VALUES ({_PLACES}) "  # noqa: S608 - our own names
    "ON CONFLICT DO NOTHING RETURNING id"
)
_NUMERIC = "id ~ '^[0-9]{1,18}$'"  # What fits into a bigint.
_NEXT = f"SELECT coalesce(max(id::bigint), 0) + 1 FROM fanfare_apps WHERE {_NUMERIC}"  # noqa: S608
_LIST = f"""
    SELECT id, key, name, enabled, secrets FROM fanfare_apps
    ORDER BY CASE WHEN {_NUMERIC} THEN id::bigint END NULLS LAST, id
"""  # noqa: S608


class NoSuchApp(Invalid):
    """There is no app with this id."""

    def __init__(self, app_id: str) -> None:
        super().__init__(f"there is no app {app_id[:64]!r}")


class Taken(Invalid):
    """Another app has this id, or this key."""

    def __init__(self, what: str, text: str) -> None:
        super().__init__(f"another app has the {what} {text[:64]!r}")


class Line(msgspec.Struct, frozen=True):
    """
    What is told of an app.

    Attributes:
        id: As in `App`.
        key: As in `App`.
        name: As in `App`.
        enabled: As in `App`.
        secrets: How many.
    """

    id: str
    key: str
    name: str
    enabled: bool
    secrets: int


class Register:
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
                if await connection.fetchval(_INSERT, *_row(app)) is not None:
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

    async def rotate(self, app_id: str, step: Callable[[Secrets], Secrets]) -> Secrets:
        """
        Take a step of `rotation`; of several at once each takes its own upon that of the one before.

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
            before = _secrets(row)
            after = step(before)
            if after != before:
                await connection.execute(write, app_id, [secret.reveal() for secret in after])
        return after


def _line(row: Mapping[str, Any]) -> Line:
    return Line(row["id"], row["key"], row["name"], row["enabled"], rotation.count(_secrets(row)))


def _secrets(row: Mapping[str, Any]) -> Secrets:
    return tuple(map(Secret, row["secrets"]))


def _row(app: App) -> list[Any]:
    known = msgspec.structs.asdict(app)
    known["token_keys"] = msgspec.json.encode(app.token_keys).decode()
    return [_plain(known[column]) for column in _COLUMNS]


def _plain(value: Any) -> Any:
    match value:
        case Secret():
            return value.reveal()
        case Limits():
            return _stated(value)
        case tuple():
            return [_plain(item) for item in value]
    return value


def _stated(limits: Limits) -> str:
    """Tell in JSON what differs from the defaults, which may change with a release."""
    usual = Limits()
    stated = {
        name: value
        for name, value in msgspec.structs.asdict(limits).items()
        if value != getattr(usual, name)
    }
    return msgspec.json.encode(stated).decode()
