"""
Explain whether a user may join a channel, or where an event goes: which rule decides, and why.

With --user and --channel the exit status is 0 where the user may join, and 1 where not.  With
--event it is 0 where something would be sent, and 1 where nothing: no route takes the event, or it
becomes a dead letter.  With --records whole records are read, with key and headers; one that
cannot be read is told with its line, and makes the status 1.  The rules of the settings are asked,
and no running deployment.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from libs.common.config.environment import reason
from libs.common.errors import Misconfigured
from libs.common.json_text import JsonReader
from services.cli.client import app_of
from services.cli.explaining import events, joins
from services.cli.explaining.explanation import Explanation, text_of
from services.cli.explaining.records import FORMS
from services.settings import Settings

_decode = JsonReader(dict[str, Any]).read


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--app", default="", help="the app's id (default: the only one)")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object, of several events one a line"
    )
    joining = parser.add_argument_group("who may join")
    joining.add_argument("--user", help="the user's id, as the token names it")
    joining.add_argument("--channel", help="the channel's name, prefix included")
    joining.add_argument(
        "--claims",
        default="{}",
        metavar="JSON",
        help='what else the token says: \'{"companies": ["1"]}\'',
    )
    joining.add_argument("--info", default="{}", metavar="JSON", help="the user's user_info")
    routing = parser.add_argument_group("where an event goes")
    routing.add_argument(
        "--event",
        metavar="FILE",
        help="holds an event as JSON, - for the standard input: a CloudEvent as it is posted to "
        "/events, or with --topic whatever stands in Kafka",
    )
    routing.add_argument("--topic", help="the topic that it is read from")
    routing.add_argument("--key", help="the key of its record in Kafka (default: none)")
    routing.add_argument(
        "--records",
        choices=sorted(FORMS),
        help="FILE holds whole records, one a line: json, as kcat -J prints them; console, as "
        "kafka-console-consumer does with --property print.headers=true --property print.key=true",
    )


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print what is decided, which rules were tried, and what they said."""
    if arguments.event is not None:
        if arguments.user is not None or arguments.channel is not None:
            raise Misconfigured(
                "--event takes neither --user nor --channel: explain one or the other"
            )
        found = _event(arguments, settings)
    elif arguments.user is None or arguments.channel is None:
        raise Misconfigured("name --user and --channel, or --event: what is to be explained?")
    else:
        found = [_join(arguments, settings)]
    print("\n".join(each.json() for each in found) if arguments.json else text_of(found))
    return 0 if all(each.is_good for each in found) else 1


def _join(arguments: argparse.Namespace, settings: Settings) -> Explanation:
    app = _app(settings, arguments.app)
    claims = _object("--claims", arguments.claims)
    info = _object("--info", arguments.info)
    user = joins.Described(arguments.user, info, {"sub": arguments.user, **claims})
    is_good, lines = joins.explained(settings, app, channel=arguments.channel, user=user)
    facts = {"app": app, "user": user.id, "channel": arguments.channel}
    return Explanation(is_good=is_good, lines=lines, facts=facts)


def _event(arguments: argparse.Namespace, settings: Settings) -> list[Explanation]:
    document = _content(arguments.event)
    if arguments.records is not None:
        if arguments.key is not None:
            raise Misconfigured("--records takes no --key: each record has its own")
        form, topic = arguments.records, arguments.topic
        return events.explained_records(settings, document, form, topic, now=time.time())
    place = events.Origin(arguments.topic, arguments.key, arguments.app)
    return events.explained(settings, document, place, now=time.time())


def _content(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Misconfigured(f"--event {file!r}: cannot be read: {reason(error)}") from error


def _app(settings: Settings, given: str) -> str:
    """Tell which app is meant; those in PostgreSQL are not looked up."""
    if settings.apps:
        return app_of(settings, given or None).id
    ids = {policy.app for policy in settings.channels}
    if not given and len(ids) != 1:
        raise Misconfigured("--app: name the app, as there are several, or none")
    return given or ids.pop()


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        return _decode(text)
    except msgspec.DecodeError as error:
        raise Misconfigured(f"{name}: expected an object in JSON: {error}") from error
