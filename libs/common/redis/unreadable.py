"""
What stands in Redis and cannot be read: passed over, counted, and told once a minute.

Somebody else writes there, or a release that writes otherwise.  Nothing of it may end a process, or
keep it from what stands beside.  There is one count for the process, as `outage` has one: what
Redis keeps is read in many places.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import structlog

from libs.common.errors import Unavailable


class SpoiltKey(Unavailable):
    """What a key holds cannot be worked on; that of others can."""


S = TypeVar("S")
T = TypeVar("T")

# What may be unreadable: a message of a feed, what is kept of a channel, a command, a state on the
# board, a fact, an entry of roster, tally, typists or leases, and a key as a whole.
KINDS = ("message", "history", "command", "state", "fact", "entry", "key")

log = structlog.get_logger()

_PASSED_OVER: Counter[str] = Counter()


def pass_over(kind: str, reason: str, **facts: Any) -> None:
    """
    Count what is passed over, and tell of it.

    Args:
        kind: One of `KINDS`.
        reason: Why it cannot be read, without a value that stands in it.
        facts: What else the line says.
    """
    note_passed(kind)
    log.warning("redis.skipped", kind=kind, reason=reason, pace_by=kind, **facts)


def note_passed(kind: str) -> None:
    """Count what is passed over, where the line is another."""
    _PASSED_OVER[kind] += 1


def passed_over() -> Mapping[str, int]:
    """Return how much was passed over, by kind, of those of which there ever was some."""
    return dict(_PASSED_OVER)


def readable(kind: str, read: Callable[[S], T], texts: Iterable[S]) -> tuple[list[T], list[S]]:
    """
    Read texts, and return besides those that cannot be read.

    Args:
        kind: Of what they are.
        read: Reads one; raises ValueError or LookupError where it cannot.
        texts: As they stand.
    """
    values, others = [], []
    for text in texts:
        try:
            values.append(read(text))
        except (ValueError, LookupError) as error:
            others.append(text)
            pass_over(kind, type(error).__name__)
    return values, others
