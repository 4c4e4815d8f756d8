"""
Rows of ``fanfare_apps``: an app as PostgreSQL keeps it, and back.

Pure.  Columns are the fields of `App`; ``limits``, ``token_keys`` and ``webhooks`` are JSON, and of
limits and webhooks only what differs from the defaults is written.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.apps.webhooks import WebhookSettings, changed_webhooks, json_of, webhooks_of
from libs.common.config.environment import did_you_mean
from libs.common.config.secret import Secret
from libs.common.json_text import JsonReader
from libs.common.tokens.settings import AppTokenKey

COLUMNS = App.__struct_fields__
# With the table's name, so that what a database lacks that is not migrated is known as ours.
SELECTED = ", ".join(f"fanfare_apps.{column}" for column in COLUMNS)
NAMES = Limits.__struct_fields__
NO_WEBHOOKS: Mapping[str, None] = MappingProxyType({})
NOTHING: Mapping[str, str] = MappingProxyType({})

Row = Mapping[str, Any]

_read_limits = JsonReader(Limits, takes_halves=False).read
_read_token_keys = JsonReader(tuple[AppTokenKey, ...], takes_halves=False).read


def app_of(row: Row) -> App:
    """
    Make an app of a row.

    Raises:
        ValueError: The row makes no app.
    """
    return App(
        **{
            **row,
            "secrets": secrets_of(row),
            "encryption_master_key": Secret(row["encryption_master_key"]),
            "allowed_origins": tuple(row["allowed_origins"]),
            "limits": _limits(row["limits"]),
            "token_keys": _token_keys(row["token_keys"]),
            "webhooks": webhooks_of(row["webhooks"]),
        }
    )


def secrets_of(row: Row) -> tuple[Secret, ...]:
    """Take the secrets out of a row."""
    return tuple(Secret(text or "") for text in row["secrets"])


def fault_of(row: Row, reserved: Mapping[str, str] = NOTHING) -> str:
    """
    Say why a row makes no app; empty: it makes one.

    Args:
        row: As it stands.
        reserved: Topics that no app may have, each with the setting that names it.
    """
    try:
        topic = app_of(row).events_topic
    except ValueError as error:
        return str(error)
    return f"topic: {topic} is {reserved[topic]}" if topic in reserved else ""


def row_of(app: App) -> list[Any]:
    """Make the values of a row, in the order of `COLUMNS`."""
    known = msgspec.structs.asdict(app)
    known["token_keys"] = msgspec.json.encode(app.token_keys).decode()
    known["webhooks"] = json_of(app.webhooks)
    return [_plain(known[column]) for column in COLUMNS]


def changed(
    row: Row,
    columns: Mapping[str, Any],
    limits: Mapping[str, float | None],
    *,
    webhooks: Mapping[str, WebhookSettings | None] = NO_WEBHOOKS,
) -> dict[str, Any]:
    """
    Tell what a row shall have in its columns; a row that is wrong elsewhere is taken as it is.

    Args:
        row: As it is.
        columns: New values, as PostgreSQL takes them.
        limits: New limits; None: the default.  The default of one that is unknown takes it out of
            the row.
        webhooks: See `changed_webhooks`.

    Returns:
        The columns that change.

    Raises:
        ValueError: A limit is unknown, here and in the row; or the webhooks cannot change so.
    """
    after = dict(columns)
    if limits:
        stated = msgspec.json.decode(row["limits"], type=dict[str, Any])
        for name, value in limits.items():
            if name not in NAMES and name not in stated:
                raise ValueError(f"limit {name!r} is unknown{did_you_mean(name, NAMES)}")
            stated.pop(name, None)
            if value is not None:
                stated[name] = value
        after["limits"] = msgspec.json.encode(stated).decode()
    if webhooks:
        after["webhooks"] = changed_webhooks(row["webhooks"], webhooks)
    return after


def _limits(text: str) -> Limits:
    try:
        return _read_limits(text)
    except msgspec.DecodeError as error:
        raise ValueError(f"limits: {error}") from error


def _token_keys(text: str) -> tuple[AppTokenKey, ...]:
    try:
        return _read_token_keys(text)
    except msgspec.DecodeError as error:
        raise ValueError(f"token_keys: {error}") from error


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
