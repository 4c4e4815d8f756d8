"""
Print how a running deployment is: every process, what it does, and what is away.

Any machine that reaches the Redis of backends.control can ask: each process tells it every two
seconds.  The exit status is 0 where every process answers and has all that it uses; 1 where one
is silent or without a backend, none is there, or Redis is away.  Receivers of webhooks are an app's
own: one that fails is named in a warning, and changes no status.
"""

import argparse
import asyncio
import sys
import time

import msgspec

from libs.common.backends.adapters import opened_board
from libs.common.board.port import Board
from libs.common.errors import Misconfigured, Unavailable
from libs.common.outage import reason_of
from services.cli.watching.deployment import Deployment, deployment
from services.cli.watching.picture import summary, table, troubles
from services.program import plan
from services.settings import Settings

DEADLINE = 8.0  # Seconds that Redis has to answer.

NOBODY = (
    "no process of this deployment has told anything for an hour: is it running, with the same "
    "backends.control and backends.prefix?"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Read the board once; raises Misconfigured where there can be none."""
    check_shared(settings)
    try:
        found = asyncio.run(_read(settings))
    except (Unavailable, TimeoutError) as error:
        print(f"fanfare: {unread(settings, error)}", file=sys.stderr)
        return 1
    if arguments.json:
        print(msgspec.json.encode(found.json()).decode())
    else:
        _print(found)
    return 0 if found.is_well else 1


def check_shared(settings: Settings) -> None:
    """
    See whether processes tell how they are where others can read it.

    Raises:
        Misconfigured: They do not.
    """
    if settings.backends.control.scheme == "memory":
        raise Misconfigured(
            "backends.control is memory://, where one process alone knows how it is: its "
            "/health/deps tells; with a Redis in backends.control all processes are seen together"
        )


async def _read(settings: Settings) -> Deployment:
    async with opened_board(plan(settings)) as board:
        return await seen(board)


async def seen(board: Board) -> Deployment:
    """
    Read a deployment from its board.

    Raises:
        Unavailable, TimeoutError: The board is away.
    """
    async with asyncio.timeout(DEADLINE):
        return deployment(await board.read(), now=time.time())


def unread(settings: Settings, error: Exception) -> str:
    """Say why the board cannot be read."""
    silent = isinstance(error, TimeoutError)
    reason = f"no answer within {DEADLINE:g} s" if silent else reason_of(error)
    return f"backends.control: {settings.backends.control} cannot be used: {reason}"


def _print(found: Deployment) -> None:
    if not found.nodes:
        print(f"fanfare: {NOBODY}", file=sys.stderr)
        return
    for line in [*table(found), "", summary(found), *troubles(found)]:
        print(line)
