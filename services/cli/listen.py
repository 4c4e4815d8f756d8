"""
Print what arrives in channels of a running deployment, until it is stopped.

A line for each event: time, channel, event and data, with tabs between them; what the connection
does is told on standard error.  It signs for itself with the app's secret.  The exit status is 0,
130 after Ctrl-C, and 1 where it cannot connect or may not join, where fewer events than --count
arrived in time, or where nobody reads what it prints.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

import aiohttp

from libs.common.apps.app import App
from libs.common.channels import BadChannelName, Kind, check_channel, kind_of
from libs.common.errors import Misconfigured
from libs.common.policies.guards import Guards
from libs.common.retry import Backoff
from services.cli import client
from services.cli.arguments import above_zero, seconds
from services.cli.listening.ear import STEP_TIMEOUT, Hopeless, Lost, Wish, connected
from services.cli.listening.output import Output, say
from services.cli.token import claims_of
from services.settings import Settings

FIRST_DELAY, LONGEST_DELAY = 0.5, 10.0  # Seconds before it connects again.
_AGAIN = "connected again; what was sent meanwhile is missing here"


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("channels", nargs="+", metavar="CHANNEL", help="its name, prefix included")
    parser.add_argument(
        "--user", default="", help="sign in, and join presence channels, as the user with this id"
    )
    parser.add_argument(
        "--claim",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what else is said of the user, for policies of public channels; see fanfare token",
    )
    parser.add_argument("--count", type=above_zero, default=0, help="end after so many events")
    parser.add_argument("--timeout", type=seconds, default=0.0, help="end after so many seconds")
    client.configure(parser)


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print what arrives; raises Misconfigured where a channel needs what is not given."""
    app = client.app_of(settings, arguments.app)
    url = client.public_url(settings, arguments.url)
    channels = tuple(dict.fromkeys(arguments.channels))
    _check(settings, app, channels, user=arguments.user)
    if sys.stdout is None:  # As after >&-: it would go on for ever, and nobody could read it.
        say("there is no standard output to print to")
        return 1
    wish = Wish(app, channels, arguments.user, claims_of(arguments.claim))
    try:
        asyncio.run(_listen(url, wish, count=arguments.count, timeout=arguments.timeout))
    except (Hopeless, Lost, client.OddAnswer) as error:
        say(str(error))
    except (aiohttp.ClientError, TimeoutError) as error:
        say(client.worded(error, url, app))
    else:
        return 0
    return 1


def _check(settings: Settings, app: App, channels: Sequence[str], *, user: str) -> None:
    guards = Guards(settings.channels)
    for channel in channels:
        try:
            check_channel(channel, longest=app.limits.longest_channel_name)
        except BadChannelName as error:
            raise Misconfigured(str(error)) from error
        if not user and kind_of(channel) in {Kind.PRESENCE, Kind.USER}:
            raise Misconfigured(f"{channel} needs --user: it is joined as somebody")
        if not user and kind_of(channel) is Kind.PUBLIC and guards.has(app.id, channel):
            raise Misconfigured(f"{channel} needs --user: a policy guards it")


async def _listen(url: str, wish: Wish, *, count: int, timeout: float) -> None:
    """
    Print until it is enough, the time is over, or nobody reads it any more.

    Raises:
        Hopeless: It is no use; or the time is over, and it is not enough, or nothing was joined.
        BrokenPipeError: Nobody reads it.
        Lost, aiohttp.ClientError, TimeoutError: Nobody was there from the beginning.
    """
    output, joined = Output(count), asyncio.Event()
    try:
        async with asyncio.timeout(timeout or None) as deadline, aiohttp.ClientSession() as http:
            with output.watched(deadline):
                await _stay(http, url, wish, output=output, joined=joined)
    except TimeoutError:
        if not output.is_read:
            raise BrokenPipeError from None
        is_over = deadline.expired()
        if not joined.is_set():
            raise Hopeless(
                await _not_joined(url, wish, timeout if is_over else STEP_TIMEOUT)
            ) from None
        if not is_over:
            raise
        if count:
            words = f"{output.printed} of {count} events arrived within {timeout:g} s"
            raise Hopeless(words) from None


async def _not_joined(url: str, wish: Wish, seconds: float) -> str:
    async with aiohttp.ClientSession() as http:
        why = await client.standing(http, url)
    return f"not joined within {seconds:g} s: {', '.join(wish.channels)}; {why}"


async def _stay(
    http: aiohttp.ClientSession, url: str, wish: Wish, *, output: Output, joined: asyncio.Event
) -> None:
    """Listen, and connect again whenever the connection is lost, once it was there."""
    backoff, said = Backoff(FIRST_DELAY, LONGEST_DELAY), ""
    while True:
        try:
            async with connected(http, url, wish) as ear:
                await ear.join()
                say(_AGAIN if joined.is_set() else f"listening to {', '.join(wish.channels)}")
                joined.set()
                said = ""
                backoff.reset()
                async for frame in ear.events():
                    if not output.print(frame):
                        return
        except (Lost, aiohttp.ClientError, TimeoutError) as error:
            if not joined.is_set():
                raise
            is_lost = isinstance(error, Lost)
            words = str(error) if is_lost else client.worded(error, url, wish.app)
            if words != said:  # An outage may take long.
                say(f"{words}; connecting again")
            said = words
        await asyncio.sleep(backoff.delay())
