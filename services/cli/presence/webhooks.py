"""
Show the secret of webhooks, and list or send again what could not be delivered.

Webhooks themselves are added with fanfare apps set, or are [[apps.webhooks]] of the file.
"""

import argparse
import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack

from libs.common.apps.app import App
from libs.common.apps.port import Apps, known_app
from libs.common.backends.adapters import opened_apps, opened_dead_letters
from libs.common.config.environment import did_you_mean
from libs.common.dead_letters.port import DeadLetters, Selection
from libs.common.errors import Misconfigured, Unavailable
from libs.common.telemetry import logs
from libs.common.telemetry.audit import audit_log
from services.cli.arguments import add_action
from services.cli.client import trouble
from services.cli.presence.letters import json_line, table
from services.cli.presence.replaying import Progress, newest, replay
from services.presence.webhooks.delivery import WebhookTools
from services.presence.webhooks.signing import webhook_secret
from services.presence.webhooks.targets import receivers
from services.program import plan
from services.settings import Settings

Action = Callable[[argparse.Namespace, Settings], Coroutine[None, None, int]]

MOST_NAMED = 10  # Of the IDs that were given: they can be very many.
_IN_MEMORY = (
    "webhooks that could not be delivered are kept in the memory of each presence process, and go "
    "with it: the line webhook.dead_lettered of its log tells of each; to list and to replay them "
    "name a PostgreSQL in backends.sightings"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: an action, and what that takes."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    secret = add_action(
        actions,
        "secret",
        "print the secret with which receivers verify (Standard Webhooks)",
        _secret,
    )
    secret.add_argument("app", metavar="APP", help="the app's id")
    secret.add_argument(
        "--newest",
        action="store_true",
        help="that of the newest secret, which may not sign yet, instead of the one that signs",
    )
    listing = add_action(
        actions, "list", "list what could not be delivered, the oldest first", _list
    )
    _configure_selection(listing)
    listing.add_argument(
        "--limit", type=int, default=100, metavar="N", help="at most so many (default: 100)"
    )
    listing.add_argument(
        "--newest", action="store_true", help="the newest instead of the oldest, the newest first"
    )
    listing.add_argument("--json", action="store_true", help="whole, a JSON object on each line")
    again = add_action(actions, "replay", "send it again, each once, the oldest first", _replay)
    again.add_argument("ids", nargs="*", metavar="ID", help="only these")
    _configure_selection(again)
    again.add_argument("--all", action="store_true", help="all that there is, of all apps")


def _configure_selection(action: argparse.ArgumentParser) -> None:
    action.add_argument("--app", default="", metavar="ID", help="only of this app")
    action.add_argument(
        "--webhook", default="", metavar="NAME", help="only of webhooks of this name"
    )


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do it; raises Misconfigured where the arguments are wrong, or nothing is kept."""
    act: Action = arguments.act
    try:
        return asyncio.run(act(arguments, settings))
    except Unavailable as error:
        backend = "apps" if error.backend == "apps" else "sightings"
        url = getattr(settings.backends, backend)
        print(f"fanfare: {trouble([backend], url, error)}", file=sys.stderr)
        return 1


async def _secret(arguments: argparse.Namespace, settings: Settings) -> int:
    async with opened_apps(plan(settings)) as apps:
        app = known_app(apps, arguments.app)
    if app is None:
        raise Misconfigured(f"there is no app {arguments.app[:64]!r}")
    print(webhook_secret(app.secrets[-1 if arguments.newest else 0]).reveal())
    if _others(app):
        _say(
            f"app {app.id} has several secrets: each request carries a signature of each, "
            "so that receivers may verify with either"
        )
    return 0


def _others(app: App) -> bool:
    return len(set(app.secrets)) > 1


async def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    _check_kept(settings)
    if arguments.limit < 1:
        raise Misconfigured(f"--limit: expected a number above 0, found {arguments.limit}")
    selection = Selection(app=arguments.app, webhook=arguments.webhook)
    async with opened_dead_letters(plan(settings)) as kept:
        letters = (
            await newest(kept, selection, limit=arguments.limit)
            if arguments.newest
            else await kept.read(selection, limit=arguments.limit)
        )
        total = await kept.count(selection)
    if not total and selection != Selection():
        async with opened_apps(plan(settings)) as apps:
            _check_known(selection, apps)
    if arguments.json:
        for letter in letters:
            print(json_line(letter))
    elif letters:
        print("\n".join(table(letters)))
    if total > len(letters):
        others = "" if arguments.newest else "--newest lists the newest, "
        _say(f"{total - len(letters)} more; {others}--limit {total} lists all.")
    elif not total:
        _say("there is nothing that could not be delivered.")
    return 0


async def _replay(arguments: argparse.Namespace, settings: Settings) -> int:
    _check_kept(settings)
    selection = Selection(
        app=arguments.app, webhook=arguments.webhook, ids=frozenset(arguments.ids)
    )
    if (selection == Selection()) is not arguments.all:
        raise Misconfigured(
            "--all goes with no ID, --app or --webhook: which are meant?"
            if arguments.all
            else "which? name IDs, --app, --webhook, or --all"
        )
    async with AsyncExitStack() as stack:
        apps = await stack.enter_async_context(opened_apps(plan(settings)))
        letters = await stack.enter_async_context(opened_dead_letters(plan(settings)))
        client = receivers(settings.egress.allow)
        await stack.enter_async_context(client.opened())
        tools = WebhookTools(apps, client, letters, settings.presence)
        logs.configure_audit(settings.log)
        progress = Progress(await letters.count(selection))
        if not progress.total:
            _check_known(selection, apps)
        unknown = await _unknown(selection, letters)
        try:
            await replay(selection, tools, progress=progress, shown=_show)
        finally:
            _audit(selection, progress)
            _conclude(progress)
    for name in unknown[:MOST_NAMED]:
        _say(f"{name}: there is no such letter, or it was delivered")
    return 1 if progress.failed or progress.left or unknown else 0


def _check_known(selection: Selection, apps: Apps) -> None:
    """Raise Misconfigured where a selection of which there is nothing names what there is not."""
    app = known_app(apps, selection.app) if selection.app else None
    if selection.app and app is None:
        raise Misconfigured(f"there is no app {selection.app[:64]!r}")
    names = {webhook.name for each in ([app] if app else apps.all()) for webhook in each.webhooks}
    if selection.webhook and selection.webhook not in names:
        raise Misconfigured(
            f"there is no webhook {selection.webhook[:64]!r}"
            f"{did_you_mean(selection.webhook, sorted(names))}"
        )


async def _unknown(selection: Selection, letters: DeadLetters) -> list[str]:
    """Name the ids that were given and are of no letter; read before letters are forgotten."""
    if not selection.ids:
        return []
    found = await letters.read(selection, limit=len(selection.ids))
    return sorted(selection.ids - {letter.id for letter in found})


def _audit(selection: Selection, progress: Progress) -> None:
    audit_log.info(
        "audit.replayed",
        what="webhooks",
        by=socket.gethostname(),
        chosen={
            "ids": sorted(selection.ids)[:MOST_NAMED],
            "app": selection.app,
            "webhook": selection.webhook,
        },
        total=progress.total,
        sent=progress.delivered,
        failed=progress.failed,
        unsure=progress.unsure,
    )


def _check_kept(settings: Settings) -> None:
    if settings.backends.sightings.scheme == "memory":
        raise Misconfigured(_IN_MEMORY)


def _show(progress: Progress) -> None:
    """Show how far it is, where somebody looks on."""
    if sys.stderr.isatty():
        print(f"\r{progress}", end="", file=sys.stderr, flush=True)


def _conclude(progress: Progress) -> None:
    start = "\r" if sys.stderr.isatty() and progress.total else ""
    _say(f"{start}{progress}.")
    for name, reason in progress.reasons.items():
        _say(f"{name}: {reason}")


def _say(sentence: str) -> None:
    """Say it to who sits there, apart from what a program may read."""
    print(sentence, file=sys.stderr)
