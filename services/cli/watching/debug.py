"""
Show more in the log of a running deployment for a while: another level, or the frames of clients.

--level changes the level of all processes, or of those that are named.  --frames shows what clients
of an app say and are told, or what concerns one channel: shortened, without tokens and signatures,
twenty frames in a second at most from each gateway.  After --for seconds everything is as before;
until then processes that start take the order too.  --status prints what is ordered, and --off ends
it.  The exit status is 0; 1 where Redis is away, and 2 where no process has such a name.
"""

import argparse
import asyncio
import socket
import sys
import time
from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from libs.common.backends.adapters import opened_board, opened_control
from libs.common.channels import BadChannelName, check_channel
from libs.common.config.environment import did_you_mean
from libs.common.control.commands import Command
from libs.common.control.port import Control
from libs.common.debugging.orders import (
    LEVELS,
    LONGEST,
    DebugOrders,
    Watched,
    frames_order,
    level_order,
    off_order,
)
from libs.common.errors import Misconfigured, Unavailable
from libs.common.rfc3339 import text_of
from services.cli.arguments import seconds
from services.cli.client import DatabaseAway, app_of, is_stored
from services.cli.tables import aligned
from services.cli.watching.deployment import Deployment
from services.cli.watching.status import DEADLINE, check_shared, seen, unread
from services.program import plan
from services.settings import Settings

USUAL = 600.0  # Seconds that an order holds.
TITLES = ("SHOWS", "PROCESSES", "SINCE", "UNTIL", "BY")


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    what = parser.add_argument_group("what is shown")
    what.add_argument("--level", choices=LEVELS, help="the least that is logged")
    what.add_argument("--frames", action="store_true", help="what clients say and are told")
    what.add_argument("--app", default="", help="of which app (default: the only one)")
    what.add_argument("--channel", default="", help="only frames about this channel")
    parser.add_argument(
        "--process",
        action="append",
        default=[],
        metavar="NAME",
        help="only this process, as fanfare status names it, all of a machine, or all that run a "
        "service, such as gateway; may be repeated",
    )
    parser.add_argument(
        "--for",
        dest="duration",
        type=seconds,
        default=USUAL,
        metavar="SECONDS",
        help="how long (default: 600, ten minutes)",
    )
    parser.add_argument("--status", action="store_true", help="print what is ordered")
    parser.add_argument("--json", action="store_true", help="with --status: one JSON object")
    parser.add_argument("--off", action="store_true", help="end all that is ordered")


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Give the orders, end them or print them; raises Misconfigured where that makes no sense."""
    check_shared(settings)
    orders = orders_of(arguments, settings, now=time.time())
    try:
        found = asyncio.run(_told(settings, orders, arguments.process))
    except (Unavailable, TimeoutError) as error:
        print(f"fanfare: {unread(settings, error)}", file=sys.stderr)
        return 1
    if arguments.json:
        print(msgspec.json.encode({"orders": [plain(each) for each in found]}).decode())
    else:
        print("\n".join(lines(found)))
    return 0


def orders_of(arguments: argparse.Namespace, settings: Settings, *, now: float) -> list[Command]:
    """
    Word the orders that the arguments give; none with --status.

    Args:
        arguments: As parsed.
        settings: Whose apps may be meant.
        now: UTC epoch seconds.

    Raises:
        Misconfigured: They give none, or contradict each other.
    """
    _check(arguments)
    if arguments.off:
        return [off_order(now=now)]
    orders, seconds, processes = [], arguments.duration, arguments.process
    if arguments.level:
        orders.append(level_order(arguments.level, processes, now=now, seconds=seconds))
    if arguments.frames:
        watched = Watched(_app(settings, arguments.app), _channel(arguments.channel))
        orders.append(frames_order(watched, processes, now=now, seconds=seconds))
    return orders


def _check(arguments: argparse.Namespace) -> None:
    """Raise Misconfigured where the arguments do not fit together."""
    shows = bool(arguments.level or arguments.frames)
    if (arguments.status, arguments.off, shows).count(True) != 1:
        raise Misconfigured("name --level or --frames or both; or --status; or --off")
    if (arguments.app or arguments.channel) and not arguments.frames:
        raise Misconfigured("--app and --channel say whose --frames are shown")
    if (arguments.process and not shows) or (arguments.json and not arguments.status):
        raise Misconfigured(
            "--process and --json have no effect here: the one goes with --level and --frames, "
            "the other with --status"
        )
    if arguments.duration > LONGEST:
        raise Misconfigured(f"--for: at most {LONGEST:g} seconds, which is a day")


def _app(settings: Settings, given: str) -> str:
    """Tell which app is meant; where none can be looked up, the one that was given."""
    if settings.apps or is_stored(settings):
        try:
            return app_of(settings, given or None).id
        except DatabaseAway as error:
            if not given:
                raise
            _warn(f"{error}; whether there is an app {given!r} was not seen")
    elif given:
        _warn(f"these settings have no apps; whether there is an app {given!r} was not seen")
    else:
        raise Misconfigured("--app: name the app whose frames are shown")
    return given


def _warn(sentence: str) -> None:
    print(f"fanfare: warning: {sentence}", file=sys.stderr)


def _channel(name: str) -> str:
    try:
        if name:
            check_channel(name)
    except BadChannelName as error:
        raise Misconfigured(f"--channel: {error}") from error
    return name


async def _told(
    settings: Settings, orders: Sequence[Command], processes: Sequence[str]
) -> list[Command]:
    """Give orders, and return all that are in force then."""
    async with asyncio.timeout(DEADLINE):
        if processes:
            async with opened_board(plan(settings)) as board:
                check_names(processes, await seen(board))
        async with opened_control(plan(settings)) as control:
            for order in orders:
                await control.send(replace(order, by=socket.gethostname()))
            return await in_force(control)


def check_names(processes: Iterable[str], found: Deployment) -> None:
    """
    See that there are processes of these names.

    Raises:
        Misconfigured: There is none of one of them.
    """
    states = [node.state for node in found.nodes]
    places = {state.node for state in states}
    known = places | {place.rpartition(":")[0] for place in places}
    known |= {node.process for node in found.nodes}
    known |= {service for state in states for service in state.services}
    for name in processes:
        if name not in known:
            raise Misconfigured(
                f"--process: no process is called {name!r}{did_you_mean(name, sorted(known))}; "
                "fanfare status names them"
            )


async def in_force(control: Control) -> list[Command]:
    """
    Read the orders that hold.

    Raises:
        Unavailable: Control is away.
    """
    orders = DebugOrders()
    async with control.listen() as listener:
        while commands := await listener.receive(0.0):
            for command in commands:
                orders.take(command)
    return orders.in_force(now=time.time())


def lines(orders: Sequence[Command]) -> list[str]:
    """Lay out orders for people: what, for whom, since and until when, and who ordered it."""
    if not orders:
        return ["nothing is ordered: every process logs what its settings say"]
    rows = [
        (
            _shows(each),
            ", ".join(each.processes) or "all",
            text_of(each.issued_at),
            text_of(each.expires_at),
            each.by or "-",
        )
        for each in orders
    ]
    return aligned([TITLES, *rows])


def _shows(order: Command) -> str:
    if order.kind == "level":
        return f"level {order.level}"
    return f"frames of app {order.app}" + (f", channel {order.subject}" if order.subject else "")


def plain(order: Command) -> dict[str, object]:
    """Put an order into values for JSON; ``by`` is null where an older release gave it."""
    what = (
        {"level": order.level}
        if order.kind == "level"
        else {"frames": {"app": order.app, "channel": order.subject or None}}
    )
    return what | {
        "processes": list(order.processes),
        "since": text_of(order.issued_at),
        "until": text_of(order.expires_at),
        "by": order.by or None,
    }
