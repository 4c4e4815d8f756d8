"""
Show what is kept of a user of an app, and erase it.

Who is online now the HTTP API tells; this reads what PostgreSQL keeps: when the user was last seen,
times of being online, and how far the user has read.  What is erased is that, and what webhooks
that could not be delivered tell of the user.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from libs.common.channels import BadUserId, check_user_id
from libs.common.dead_letters.port import DeadLetters
from libs.common.dead_letters.postgres import PostgresDeadLetters
from libs.common.errors import Misconfigured, Unavailable
from libs.common.marks.port import Marks, Reading
from libs.common.marks.postgres import PostgresMarks
from libs.common.postgres.connection import PostgresConnection
from libs.common.rfc3339 import text_of
from libs.common.sightings.port import Sightings, Trail
from libs.common.sightings.postgres import PostgresSightings
from services.cli.arguments import add_action
from services.cli.client import trouble
from services.settings import Settings

SHOWN = 20  # Spans.
MARKS_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Traces:
    """
    Where PostgreSQL keeps something of users.

    Attributes:
        sightings: When they were last seen, and online.
        letters: What could not be delivered.
        marks: How far they have read.
    """

    sightings: Sightings
    letters: DeadLetters
    marks: Marks


Action = Callable[[argparse.Namespace, Traces], Awaitable[None]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: an action, an app and a user."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = add_action(
        actions, "show", summary="show when a user was seen, and how far they have read", act=_show
    )
    show.add_argument("--json", action="store_true", help="as JSON")
    erase = add_action(actions, "erase", summary="erase what is kept of a user", act=_erase)
    for action in (show, erase):
        action.add_argument("app", metavar="APP", help="the app's id")
        action.add_argument("user", metavar="USER", help="the user's id")


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do it; raises Misconfigured where nothing is in PostgreSQL, or no user has such an id."""
    url = settings.backends.sightings
    if url.scheme == "memory":
        raise Misconfigured(
            "what is kept of users is in the memory of the presence service, until it ends: to "
            "keep it in PostgreSQL set backends.sightings"
        )
    try:
        check_user_id(arguments.user)
        check_user_id(arguments.app)
    except BadUserId as error:
        raise Misconfigured(f"{error}, and so must an app's") from error
    try:
        asyncio.run(_connected(arguments, settings))
    except Unavailable as error:
        print(f"fanfare: {trouble(['sightings'], url, error)}", file=sys.stderr)
        return 1
    return 0


async def _connected(arguments: argparse.Namespace, settings: Settings) -> None:
    act: Action = arguments.act
    url, presence = settings.backends.sightings, settings.presence
    async with PostgresConnection(url, "sightings", settings.postgres) as connection:
        letters = PostgresDeadLetters(
            connection, presence.dead_letters, presence.dead_letters_max_age
        )
        marks = PostgresMarks(connection, presence.max_readers)
        await act(arguments, Traces(PostgresSightings(connection), letters, marks))


async def _show(arguments: argparse.Namespace, traces: Traces) -> None:
    app, user = arguments.app, arguments.user
    trail = await traces.sightings.trail(app, user, limit=SHOWN)
    read = await traces.marks.read_by(app, user, limit=MARKS_SHOWN)
    if arguments.json:
        print(msgspec.json.encode(told(trail, read)).decode())
    elif trail is None and not read:
        _say(f"nothing is kept of user {user} of app {app}.")
    else:
        print("\n".join(lines(trail, read)))


async def _erase(arguments: argparse.Namespace, traces: Traces) -> None:
    who = f"user {arguments.user} of app {arguments.app}"
    was_seen = await traces.sightings.erase(arguments.app, arguments.user)
    marks = await traces.marks.erase(arguments.app, arguments.user)
    letters = await traces.letters.erase(arguments.app, arguments.user)
    if was_seen:
        _say(f"{who} is forgotten; while online, or when they come again, they are seen anew.")
    if marks:
        _say(f"{who} has read nothing any more ({marks} channels).")
    if letters:
        _say(f"{who} is taken out of what webhooks could not be told ({letters} requests).")
    if not (was_seen or marks or letters):
        _say(f"nothing was kept of {who}.")


def lines(trail: Trail | None, read: Sequence[Reading] = ()) -> list[str]:
    """
    Write for people what is kept of a user.

    Args:
        trail: When the user was seen: each instant in UTC, the newest first; None: never.
        read: How far the user has read.
    """
    marks = [f"has read      {channel.name} up to {mark.text}" for channel, _, mark in read]
    if trail is None:
        return marks
    since = [] if trail.online_since is None else [f"online since  {text_of(trail.online_since)}"]
    spans = [
        f"was online    {text_of(span.began_at)} to {text_of(span.ended_at)}"
        for span in trail.spans
    ]
    return [f"last seen     {text_of(trail.last_seen)}", *since, *spans, *marks]


def told(trail: Trail | None, read: Sequence[Reading] = ()) -> dict[str, Any]:
    """Tell programs what is kept of a user; null and empty: nothing is."""
    marks = {"marks": {channel.name: mark.told for channel, _, mark in read}}
    if trail is None:
        return {"last_seen": None, "online_since": None, "spans": [], **marks}
    since = trail.online_since
    return {
        "last_seen": text_of(trail.last_seen),
        "online_since": None if since is None else text_of(since),
        "spans": [
            {"began_at": text_of(span.began_at), "ended_at": text_of(span.ended_at)}
            for span in trail.spans
        ],
        **marks,
    }


def _say(sentence: str) -> None:
    """Say it to who sits there, apart from what a program may read."""
    print(sentence, file=sys.stderr)
