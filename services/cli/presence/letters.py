"""How `fanfare webhooks list` shows what could not be delivered: a table for people, or JSON."""

from collections.abc import Sequence

import msgspec

from libs.common.dead_letters.port import DeadLetter
from libs.common.rfc3339 import text_of
from services.cli.tables import aligned

_TITLES = ("ID", "APP", "WEBHOOK", "GIVEN UP", "TRIES", "EVENTS", "REASON")
MOST_EVENTS = 3  # Of one letter, in a table.


def table(letters: Sequence[DeadLetter]) -> list[str]:
    """Write a table."""
    return aligned([_TITLES, *map(_row, letters)])


def json_line(letter: DeadLetter) -> str:
    """Write a letter whole; instants are RFC 3339."""
    instants = {"first_at": text_of(letter.first_at), "died_at": text_of(letter.died_at)}
    known = msgspec.to_builtins(letter) | instants
    known["facts"] = [
        {name: value for name, value in msgspec.to_builtins(fact).items() if value not in {"", 0}}
        for fact in letter.facts
    ]
    return msgspec.json.encode(known).decode()


def _row(letter: DeadLetter) -> tuple[str, ...]:
    told = [f"{fact.kind} {fact.channel or fact.user}" for fact in letter.facts[:MOST_EVENTS]]
    more = len(letter.facts) - len(told)
    events = ", ".join([*told, f"{more} more"] if more > 0 else told)
    return (
        letter.id,
        letter.app,
        letter.webhook,
        text_of(letter.died_at),
        str(letter.tries),
        events,
        letter.reason,
    )
