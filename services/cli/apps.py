"""
Add, list, change, switch and rotate apps that are in PostgreSQL.

A change takes effect at once.
"""

import argparse
import asyncio
import base64
import re
import secrets
import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Any

import msgspec

from libs.common.apps import rotation
from libs.common.apps.admin import AppAdmin, Line
from libs.common.apps.app import App
from libs.common.apps.origins import unnamed
from libs.common.apps.rotation import Secrets
from libs.common.apps.webhooks import WebhookSettings
from libs.common.config.secret import Secret
from libs.common.errors import Invalid, Misconfigured, Unavailable
from libs.common.postgres.connection import PostgresConnection
from services.cli.arguments import (
    add_action,
    changes_of,
    id_of,
    is_customary,
    limits_of,
    origins_of,
    secret_in,
)
from services.cli.client import is_stored, trouble
from services.cli.presence.webhook_arguments import EXAMPLE, webhook_changes
from services.settings import Settings

KEY_BYTES, SECRET_BYTES, MASTER_KEY_BYTES = 10, 32, 32

Action = Callable[[argparse.Namespace, AppAdmin], Awaitable[None]]

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_ROTATION = """
Three steps put a new secret in the place of the old one without downtime:
  1. fanfare apps rotate ID            adds a new one, which verifies; the old one still signs
  2. fanfare apps rotate ID --use      once every process has it: it signs, the old still verifies
  3. fanfare apps rotate ID --finish   once every back end signs with it: the old ones are dropped
A step that is taken twice does no harm, and one that is taken too early is refused;
but step 1 adds a secret each time.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: an action, and what that takes."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = add_action(actions, "add", "add an app, and print its key and secret", _add)
    add.add_argument("--id", help="digits by custom (default: the number after the highest)")
    add.add_argument("--key", help="what clients name it by (default: a random one)")
    add.add_argument(
        "--secret-file",
        metavar="FILE",
        help="holds the secret that its back ends have already, - for the standard input "
        "(default: a random one)",
    )
    add.add_argument("--name", default="", help="for people")
    add.add_argument(
        "--client-events", action="store_true", help="clients may send events to each other"
    )
    add.add_argument(
        "--master-key", action="store_true", help="make a key for private-encrypted- channels"
    )
    add.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="a limit, such as connections=1000, 0 for none; as in [apps.limits], "
        "and once for each",
    )
    _configure_set(actions)
    listing = add_action(actions, "list", "list the apps, without their secrets", _list)
    listing.add_argument("--json", action="store_true", help="as JSON")
    for name, summary, act in (
        ("disable", "switch an app off: clients get 4003, back ends 403", _disable),
        ("enable", "switch an app on", _enable),
        ("rotate", "put a new secret in the place of the old one, in three steps", _rotate),
    ):
        action = add_action(actions, name, summary, act)
        action.add_argument("id", metavar="ID", help="the app's id")
    steps = action.add_mutually_exclusive_group()
    steps.add_argument("--use", action="store_true", help="the second step: let the newest sign")
    steps.add_argument("--finish", action="store_true", help="the third step: drop the others")
    action.epilog = _ROTATION
    action.formatter_class = argparse.RawDescriptionHelpFormatter


def _configure_set(actions: Any) -> None:
    change = add_action(actions, "set", "change what an app may and has", _set)
    change.add_argument("id", metavar="ID", help="the app's id")
    change.add_argument("--name", help="for people")
    change.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="a limit, as for add; NAME= returns to its default",
    )
    pages = change.add_mutually_exclusive_group()
    pages.add_argument(
        "--origin",
        nargs="+",
        action="extend",
        metavar="URL",
        help="whose pages may use the app, in the place of those before: https://www.example.org",
    )
    pages.add_argument("--origins-any", action="store_true", help="anybody's pages may use it")
    change.add_argument(
        "--webhook",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME=URL", "KEY=VALUE"),
        help="add a webhook, or replace the one of that name; see below",
    )
    change.add_argument(
        "--no-webhook", action="append", default=[], metavar="NAME", help="take a webhook out"
    )
    change.epilog = EXAMPLE
    change.formatter_class = argparse.RawDescriptionHelpFormatter
    for name, summary in (
        ("client-events", "clients may send events to each other"),
        ("tls-only", "clients must connect with TLS"),
        ("subscription-counts", "subscribers are told how many they are"),
    ):
        change.add_argument(f"--{name}", choices=("on", "off"), help=summary)


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do it; raises Misconfigured where apps are not in PostgreSQL, or the arguments are wrong."""
    url = settings.backends.apps
    if not is_stored(settings):
        raise Misconfigured(
            "apps are those of the file: change its [[apps]], and send SIGHUP to the services; "
            "to have them in PostgreSQL set backends.apps"
        )
    if arguments.act is _set:
        _check_cookie(arguments.origin or (), settings)
        arguments.webhooks = webhook_changes(
            arguments.webhook,
            arguments.no_webhook,
            app_id=arguments.id,
            allow=settings.egress.allow,
        )
    try:
        asyncio.run(_connected(arguments, settings))
    except Invalid as error:
        print(f"fanfare: {error}", file=sys.stderr)
        return 1
    except Unavailable as error:
        print(f"fanfare: {trouble(['apps'], url, error)}", file=sys.stderr)
        return 1
    return 0


def _check_cookie(entries: Collection[str], settings: Settings) -> None:
    if settings.auth.cookie and (open_to_all := unnamed(entries)):
        raise Misconfigured(
            f"--origin {open_to_all[0]} cannot go with auth.cookie, which counts only from pages "
            "that are named: name them; --origins-any lets all pages in, without the cookie"
        )


async def _connected(arguments: argparse.Namespace, settings: Settings) -> None:
    act: Action = arguments.act
    async with PostgresConnection(settings.backends.apps, "apps", settings.postgres) as connection:
        await act(arguments, AppAdmin(connection))


async def _add(arguments: argparse.Namespace, admin: AppAdmin) -> None:
    app_id = "" if arguments.id is None else id_of(arguments.id)
    key = secrets.token_hex(KEY_BYTES) if arguments.key is None else arguments.key
    if not _KEY.fullmatch(key):
        raise Misconfigured(f"--key {key[:64]!r}: expected letters, digits and _ . -")
    is_known = arguments.secret_file is not None
    secret = secret_in(arguments.secret_file) if is_known else secrets.token_hex(SECRET_BYTES)
    master_key = ""
    if arguments.master_key:
        master_key = base64.b64encode(secrets.token_bytes(MASTER_KEY_BYTES)).decode()
    make = partial(
        App,
        key=key,
        secrets=(Secret(secret),),
        name=arguments.name,
        client_events=arguments.client_events,
        encryption_master_key=Secret(master_key),
        limits=limits_of(arguments.limit),
    )
    app = await admin.add(lambda app_id: make(id=app_id), app_id)
    shown = "" if is_known else secret
    told = {"ID": app.id, "KEY": key, "SECRET": shown, "ENCRYPTION_MASTER_KEY": master_key}
    for name, text in told.items():
        if text:
            print(f"PUSHER_APP_{name}={text}")
    _say(_after_adding_app(app.id, is_known=is_known))
    if not is_customary(app.id):
        _say(f"warning: the Python SDK refuses the id {app.id!r}, for it is not of digits alone.")


def _after_adding_app(app_id: str, *, is_known: bool) -> str:
    if is_known:
        return f"app {app_id} is there, with the secret that was given."
    return f"app {app_id} is there. Its secret is shown this once: put the lines into its back end."


async def _set(arguments: argparse.Namespace, admin: AppAdmin) -> None:
    columns, limits = _columns(arguments), changes_of(arguments.limit)
    webhooks: dict[str, WebhookSettings | None] = arguments.webhooks
    if not columns and not limits and not webhooks:
        raise Misconfigured("nothing to change: fanfare apps set --help tells what can be")
    await admin.change(arguments.id, columns, limits, webhooks=webhooks)
    changed = [
        *columns,
        *(f"limits.{name}" for name in limits),
        *(f"webhooks.{name}" for name in webhooks),
    ]
    _say(f"app {arguments.id}: {', '.join(changed)} changed.")


def _columns(arguments: argparse.Namespace) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if arguments.name is not None:
        columns["name"] = arguments.name
    if arguments.origin or arguments.origins_any:
        columns["allowed_origins"] = origins_of(arguments.origin or ())
    for name in ("client_events", "tls_only", "subscription_counts"):
        if (switch := getattr(arguments, name)) is not None:
            columns[name] = switch == "on"
    return columns


async def _list(arguments: argparse.Namespace, admin: AppAdmin) -> None:
    lines = await admin.lines()
    if arguments.json:
        print(msgspec.json.encode(lines).decode())
    elif lines:
        print("\n".join(table(lines)))
    else:
        _say("there are no apps; fanfare apps add makes one.")


async def _disable(arguments: argparse.Namespace, admin: AppAdmin) -> None:
    await admin.switch(arguments.id, enabled=False)
    _say(f"app {arguments.id} is switched off: clients get 4003, back ends 403.")


async def _enable(arguments: argparse.Namespace, admin: AppAdmin) -> None:
    await admin.switch(arguments.id, enabled=True)
    _say(f"app {arguments.id} is switched on.")


async def _rotate(arguments: argparse.Namespace, admin: AppAdmin) -> None:
    name = f"fanfare apps rotate {arguments.id}"
    if arguments.use:
        await admin.rotate(arguments.id, rotation.used)
        _say(
            f"the newest secret of app {arguments.id} signs, and the others still verify. "
            f"Give it to all back ends; when none signs with another any more: {name} --finish"
        )
    elif arguments.finish:
        await admin.rotate(arguments.id, rotation.finished)
        _say(f"app {arguments.id} has a single secret, which signs and verifies.")
    else:
        new = Secret(secrets.token_hex(SECRET_BYTES))
        known = await admin.rotate(arguments.id, lambda before: rotation.added(before, new))
        print(f"PUSHER_APP_SECRET={new.reveal()}")
        _say(_after_adding(known, arguments.id, name))


def _after_adding(known: Secrets, app_id: str, name: str) -> str:
    return (
        f"app {app_id} has {rotation.count(known)} secrets: all verify, the first one signs. "
        "The new one is shown this once. Services know it at once; "
        "behind a pooler that changes servers between transactions, within a minute. "
        f"Then: {name} --use"
    )


def table(lines: Sequence[Line]) -> list[str]:
    """Write a table of apps; what is wrong with a row stands at the end of its line."""
    titles = ("ID", "KEY", "ENABLED", "SECRETS", "NAME", "FAULT")
    rows = [titles if any(line.fault for line in lines) else (*titles[:-1], "")] + [
        (
            line.id,
            line.key,
            "yes" if line.enabled else "no",
            str(line.secrets),
            line.name,
            line.fault,
        )
        for line in lines
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _say(sentence: str) -> None:
    """Say it to who sits there, apart from what a program may read."""
    print(sentence, file=sys.stderr)
