"""
List the events that could not be read or routed, or send them again.

They stand in the topic dispatcher.dead_letter_topic.  Webhooks that could not be delivered are
elsewhere: fanfare webhooks.
"""

import argparse
import asyncio
import base64
import heapq
import itertools
import re
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any

import msgspec

from libs.common.backends.adapters import opened_events
from libs.common.config.environment import did_you_mean
from libs.common.errors import Misconfigured, Unavailable
from libs.common.eventlog.port import EventLog
from libs.common.outage import reason_of
from libs.common.rfc3339 import text_of
from libs.common.telemetry import logs
from libs.common.telemetry.audit import audit_log
from services.cli.arguments import above_zero, add_action
from services.cli.dead_letters.replaying import Replayed, replay
from services.cli.dead_letters.selecting import DeadLetterTopic, LetterChoice
from services.cli.tables import aligned
from services.dispatcher.events.dead_letters import PutAside
from services.program import plan
from services.settings import Settings

Action = Callable[[argparse.Namespace, Settings, EventLog], Coroutine[None, None, int]]

TITLES = ("ID", "PRODUCED", "STOOD AT", "KIND", "BYTES", "REASON")
MOST_NAMED = 10  # Of the IDs that were given: they can be very many.
# Those that a dispatcher has words for; a fault of ours has the name of its exception.
KINDS = frozenset({"Undecodable", "TooDeep", "Unroutable"})
_ID = re.compile(r"[0-9]+/[0-9]+")
BAR = 30  # Characters.


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: an action, and what that takes."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = add_action(actions, "list", "list them, the oldest of each partition first", _list)
    _configure_choice(listing)
    listing.add_argument(
        "--replayed", action="store_true", help="also those that were sent again already"
    )
    listing.add_argument(
        "--limit", type=above_zero, default=100, metavar="N", help="at most so many (default: 100)"
    )
    listing.add_argument(
        "--newest", action="store_true", help="the newest instead of the oldest, the newest first"
    )
    listing.add_argument("--json", action="store_true", help="a JSON object on each line")
    listing.add_argument("--values", action="store_true", help="with --json: the events themselves")
    again = add_action(actions, "replay", "send them again to the topics where they stood", _replay)
    again.add_argument("ids", nargs="*", metavar="ID", help="only these")
    _configure_choice(again)
    again.add_argument("--all", action="store_true", help="all that were not sent again yet")


def _configure_choice(action: argparse.ArgumentParser) -> None:
    action.add_argument("--topic", default="", help="only those that stood in this topic")
    action.add_argument(
        "--kind", default="", help="only those of this kind, such as Undecodable or Unroutable"
    )


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do it; raises Misconfigured where the arguments are wrong, or there is no Kafka."""
    if settings.backends.events.scheme != "kafka":
        raise Misconfigured(
            f"backends.events is {settings.backends.events.reveal()}, where dead letters are lines "
            "of the log, record.dead_lettered; with a Kafka in backends.events they are kept"
        )
    act: Action = arguments.act
    try:
        return asyncio.run(_with_events(act, arguments, settings))
    except Unavailable as error:
        _say(
            f"fanfare: backends.events: {settings.backends.events} cannot be used: "
            f"{reason_of(error)}"
        )
        return 1


async def _with_events(act: Action, arguments: argparse.Namespace, settings: Settings) -> int:
    async with opened_events(plan(settings)) as events:
        return await act(arguments, settings, events)


async def _list(arguments: argparse.Namespace, settings: Settings, events: EventLog) -> int:
    choice = LetterChoice(
        topic=arguments.topic, kind=arguments.kind, with_replayed=arguments.replayed
    )
    topic = DeadLetterTopic(events, settings.dispatcher.dead_letter_topic)
    found: list[PutAside] = []
    count = 0
    async with aclosing(topic.letters(choice)) as letters:
        async for some in letters:
            count += len(some)
            if arguments.newest:
                found = heapq.nlargest(arguments.limit, [*found, *some], key=_put_aside_at)
            else:
                found += some[: arguments.limit - len(found)]
    if arguments.json:
        for letter in found:
            print(json_line(letter, with_value=arguments.values))
    elif found:
        print("\n".join(aligned([TITLES, *map(_row, found)])))
    if count > len(found):
        others = "" if arguments.newest else "--newest lists the newest, "
        _say(f"{count - len(found)} more; {others}--limit {count} lists all")
    unseen = _unseen(choice, topic, settings)
    for sentence in unseen:
        _say(sentence)
    if not (count or unseen):
        _say("there is nothing that could not be read or routed")
    return 1 if unseen else 0


def _put_aside_at(letter: PutAside) -> tuple[float, int, int]:
    """Order letters by when they came into their topic; within a partition that is their order."""
    record = letter.record
    return record.timestamp, record.partition, record.offset


async def _replay(arguments: argparse.Namespace, settings: Settings, events: EventLog) -> int:
    choice = LetterChoice(ids=frozenset(arguments.ids), topic=arguments.topic, kind=arguments.kind)
    _check(choice, is_all=arguments.all)
    looked = DeadLetterTopic(events, settings.dispatcher.dead_letter_topic, _looking)
    ids = frozenset(await looked.ids(choice))
    progress = Replayed(len(ids))
    # Those that come from now on are not meant, lest what fails again is sent without end.
    meant = LetterChoice(ids=ids, with_replayed=True)
    if ids:
        topic = DeadLetterTopic(events, settings.dispatcher.dead_letter_topic)
        logs.configure_audit(settings.log)
        try:
            async with aclosing(topic.letters(meant)) as letters:
                await replay(letters, events, progress=progress, shown=_sending)
        finally:
            _audit(topic.name, choice, progress)
            _say(f"{_start()}{progress}.")
    else:
        _say(f"{_start()}{progress}.")
    for letter, reason in progress.reasons.items():
        _say(f"{letter}: {reason}")
    unseen = _unseen(choice, looked, settings)
    for sentence in unseen:
        _say(sentence)
    unknown = sorted(choice.ids - ids)
    for name in itertools.islice(unknown, MOST_NAMED):
        _say(f"{name}: there is no such letter, or it was sent again")
    return 1 if progress.failed or unknown or unseen else 0


def _check(choice: LetterChoice, *, is_all: bool) -> None:
    """Raise Misconfigured where a choice is none, or its parts do not fit together."""
    if (choice == LetterChoice()) is not is_all:
        raise Misconfigured(
            "--all goes with no ID, --topic or --kind: which are meant?"
            if is_all
            else "which? name IDs, --topic, --kind, or --all"
        )
    for name in sorted(choice.ids):
        if not _ID.fullmatch(name):
            raise Misconfigured(
                f"{name[:64]!r} is no ID of a letter: fanfare dead-letters list shows them, "
                "such as 0/17"
            )


def _unseen(choice: LetterChoice, looked: DeadLetterTopic, settings: Settings) -> list[str]:
    """Say which parts of a choice no letter had, that none is known to have either."""
    topics = {app.events_topic for app in settings.apps} - {""}
    topics |= {route.topic for route in settings.routes} - {""}
    parts = (
        ("is of the kind", choice.kind, looked.kinds | KINDS),
        ("stood in the topic", choice.topic, looked.topics | topics),
    )
    return [
        f"no letter {what} {name[:64]!r}{did_you_mean(name, sorted(known))}"
        for what, name, known in parts
        if name and name not in known
    ]


def _audit(topic: str, choice: LetterChoice, progress: Replayed) -> None:
    audit_log.info(
        "audit.replayed",
        what="events",
        by=socket.gethostname(),
        source=topic,
        chosen={
            "ids": sorted(choice.ids)[:MOST_NAMED],
            "topic": choice.topic,
            "kind": choice.kind,
        },
        total=progress.total,
        sent=progress.sent,
        failed=progress.failed,
        unsure=progress.unsure,
    )


def _looking(count: int, total: int) -> None:
    _show("looking", count, total)


def _sending(progress: Replayed) -> None:
    _show("sending", progress.sent + progress.failed, progress.total)


def _show(what: str, count: int, total: int) -> None:
    """Show how far it is, where somebody looks on."""
    if sys.stderr.isatty():
        print(f"{_start()}{what} {bar(count, total)}", end="", file=sys.stderr, flush=True)


def _start() -> str:
    """Begin the line anew, where somebody looks on."""
    return "\r\x1b[K" if sys.stderr.isatty() else ""


def bar(count: int, total: int) -> str:
    """Draw how far it is."""
    share = min(1.0, count / total) if total else 1.0
    full = round(BAR * share)
    return f"[{'#' * full}{'.' * (BAR - full)}] {count} of {max(count, total)}"


def _row(letter: PutAside) -> tuple[str, ...]:
    return (
        letter.id,
        text_of(letter.timestamp),
        f"{letter.topic}/{letter.partition} at {letter.offset}",
        letter.kind,
        "elsewhere" if letter.is_bare else str(len(letter.record.value or b"")),
        letter.reason,
    )


def json_line(letter: PutAside, *, with_value: bool) -> str:
    """Write a letter for programs; bytes that are no UTF-8 are in base64, under another name."""
    whole: dict[str, Any] = {
        "id": letter.id,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "produced_at": text_of(letter.timestamp),
        "kind": letter.kind,
        "reason": letter.reason,
        "bare": letter.is_bare,
        "bytes": len(letter.record.value or b""),
    }
    if with_value:
        whole |= _readable("key", letter.record.key) | _readable("value", letter.record.value)
    return msgspec.json.encode(whole).decode()


def _readable(name: str, content: bytes | None) -> dict[str, str | None]:
    try:
        return {name: None if content is None else content.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(content or b"").decode()}


def _say(sentence: str) -> None:
    """Say it to who sits there, apart from what a program may read."""
    print(sentence, file=sys.stderr)
