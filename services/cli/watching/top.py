"""
Show how a running deployment is, again and again, until q or Ctrl-C.

What `fanfare status` prints once, on the whole terminal, with what is done in a second.  For
programs it is `fanfare status --json`.
"""

import argparse
import asyncio
import os
import shutil
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from libs.common.backends.adapters import opened_board
from libs.common.board.port import Board
from libs.common.errors import Misconfigured, Unavailable
from services.cli.arguments import seconds
from services.cli.watching.deployment import Deployment
from services.cli.watching.picture import fitted, speeds, summary, table, troubles, wrapped
from services.cli.watching.status import NOBODY, check_shared, seen, unread
from services.program import plan
from services.settings import Settings

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # A screen of its own, no cursor.
_HOME, _REST_OF_LINE, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
QUIT = (b"q", b"Q", b"\x04")  # Ctrl-C comes as a signal.


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "--interval",
        type=seconds,
        default=2.0,
        metavar="SECONDS",
        help="how often to look (default: 2, as often as processes tell)",
    )


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Show it until somebody has seen enough; raises Misconfigured where it cannot be shown."""
    check_shared(settings)
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Misconfigured(
            "fanfare top needs a terminal: fanfare status prints what it shows, with --json for "
            "programs"
        )
    asyncio.run(_show(arguments.interval, settings))
    return 0


async def _show(interval: float, settings: Settings) -> None:
    async with (
        opened_board(plan(settings)) as board,
        _screen() as enough,
        asyncio.TaskGroup() as tasks,
    ):
        drawing = tasks.create_task(_keep_drawing(board, settings, interval))
        await enough.wait()
        drawing.cancel()  # Also while Redis lets us wait.


async def _keep_drawing(board: Board, settings: Settings, interval: float) -> None:
    before = None
    while True:
        before = await _redraw(board, settings, before)
        await asyncio.sleep(interval)


async def _redraw(board: Board, settings: Settings, before: Deployment | None) -> Deployment | None:
    """Draw what there is now; return it, or what was there if nobody says."""
    try:
        now = await seen(board)
    except (Unavailable, TimeoutError) as error:
        _draw([unread(settings, error), "what was seen last:"], before, before)
        return before
    _draw([], now, before)
    return now


def _sentences(now: Deployment | None, before: Deployment | None) -> Iterator[str]:
    if now is None or not now.nodes:
        yield NOBODY
        return
    yield summary(now)
    yield speeds(now, before)
    yield from troubles(now)  # Before what may be longer than the screen.
    yield ""


def _draw(said: list[str], now: Deployment | None, before: Deployment | None) -> None:
    width, height = shutil.get_terminal_size()
    lines = wrapped([*said, *_sentences(now, before)], width=width)
    lines += table(now) if now and now.nodes else []
    drawn = [line + _REST_OF_LINE for line in fitted(lines, width=width, height=height)]
    sys.stdout.write(_HOME + "\r\n".join(drawn) + _BELOW)
    sys.stdout.flush()


@asynccontextmanager
async def _screen() -> AsyncIterator[asyncio.Event]:
    """Take the terminal, and give it back as it was; yields what is set once somebody wants out."""
    enough, loop, keys = asyncio.Event(), asyncio.get_running_loop(), sys.stdin.fileno()
    usual = termios.tcgetattr(keys)
    tty.setcbreak(keys)
    loop.add_reader(keys, _pressed, keys, enough)
    sys.stdout.write(_ENTER)
    try:
        yield enough
    finally:
        loop.remove_reader(keys)
        termios.tcsetattr(keys, termios.TCSADRAIN, usual)
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


def _pressed(keys: int, enough: asyncio.Event) -> None:
    pressed = os.read(keys, 64)
    if not pressed or any(key in pressed for key in QUIT):
        enough.set()
