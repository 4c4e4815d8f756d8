"""
The pace of the log: how many lines about one event are written, and how many were held back.

Pure.  Each event has a pace of its own, so that none holds back another.  What strangers can cause
is paced by its kind (``by``), such as why they are refused: a line a minute of each.  They do not
choose a kind, so that there are few, and none hides the others.  What is held back is counted, and
told by the next line about the same, or by itself once no line came for a while.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from libs.common.rates.gcra import judge

RATE = 50.0  # Lines in a second about one event, and as many at once.
RATE_BY = 1 / 60  # Lines in a second about one event and one value.
RATE_OF_ALL = 10.0  # Lines in a second about one event and all its values, and as many at once.
# Seconds after the last line that was held back, before their number is told by itself.
QUIET = 1.0
MOST_NAMES = 1000  # Events that are told apart; those that come later share one pace.
# Values of one event that are told apart; the one longest unheard of is forgotten.
MOST_VALUES = 1000
LONGEST_VALUE = 200  # Characters by which values are told apart.

_OTHERS = "(others)"


class HeldBack(NamedTuple):
    """
    Lines that were not written.

    Attributes:
        name: Their event, or the name of the logger of another library.
        by: The value that they were paced by; empty: none, or several that were forgotten.
        lines: Their number.
    """

    name: str
    by: str
    lines: int


@dataclass(slots=True)
class _Course:
    """What was written and held back about one event, or about one value of it."""

    earned_at: float = 0.0  # See `judge`.
    held: int = 0
    held_at: float = 0.0


@dataclass(slots=True)
class _Event(_Course):
    """The same, and each value that it is paced by; that which was heard of last stands last."""

    values: dict[str, _Course] = field(default_factory=dict)


class Pace:
    """Decides line by line what is written; instants are seconds of any one clock."""

    def __init__(self) -> None:
        self._events: dict[str, _Event] = {}

    @property
    def is_holding(self) -> bool:
        """Whether lines were held back of which nothing was told yet."""
        return any(course.held for *_, course in self._courses())

    def admit(self, name: str, by: str | None, /, *, now: float) -> int | None:
        """
        Decide about a line.

        Args:
            name: Its event, or the name of the logger of another library.
            by: What it is paced by besides; None: nothing.
            now: The present instant.

        Returns:
            How many lines about the same were held back since the last one; None: this one is, too.
        """
        event = self._event(name)
        course = event if by is None else _value(event, by[:LONGEST_VALUE], now=now)
        if not _take(event, course, now=now):
            course.held += 1
            course.held_at = now
            return None
        more, course.held = course.held, 0
        return more

    def due(self, *, now: float) -> list[HeldBack]:
        """Return what was held back and is to be told now, as no line came that could tell it."""
        told = []
        for name, by, event, course in self._courses():
            is_quiet = course.held and now >= course.held_at + QUIET
            if is_quiet and _take(event, course, now=now):
                told.append(HeldBack(name, by, course.held))
                course.held = 0
        return told

    def rest(self) -> list[HeldBack]:
        """Return all that was held back and not told, one for each event, and forget it."""
        rest: dict[str, int] = {}
        for name, _, _, course in self._courses():
            rest[name] = rest.get(name, 0) + course.held
            course.held = 0
        return [HeldBack(name, "", lines) for name, lines in rest.items() if lines]

    def _courses(self) -> Iterator[tuple[str, str, _Event, _Course]]:
        for name, event in self._events.items():
            yield name, "", event, event
            for by, course in event.values.items():
                yield name, by, event, course

    def _event(self, name: str) -> _Event:
        if name not in self._events:
            name = name if len(self._events) < MOST_NAMES else _OTHERS
            self._events.setdefault(name, _Event())
        return self._events[name]


def _value(event: _Event, by: str, *, now: float) -> _Course:
    """Find a value's course and put it last; the number of what is forgotten for it stays."""
    course = event.values.pop(by, None) or _Course()
    if len(event.values) >= MOST_VALUES:
        forgotten = event.values.pop(next(iter(event.values)))
        event.held += forgotten.held
        event.held_at = now if forgotten.held else event.held_at
    event.values[by] = course
    return course


def _take(event: _Event, course: _Course, *, now: float) -> bool:
    """Take a line of an event's pace, and of a value's if the course is one's; of both or none."""
    is_value = course is not event
    paced = [(event, RATE_OF_ALL), (course, RATE_BY)] if is_value else [(event, RATE)]
    judged = [judge(each.earned_at, now=now, rate=rate, cost=1) for each, rate in paced]
    if any(wait for wait, _ in judged):
        return False
    for (each, _), (_, earned_at) in zip(paced, judged, strict=True):
        each.earned_at = earned_at
    return True
