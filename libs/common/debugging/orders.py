"""
Orders to show more in the log for a while, as values, and what holds of them.

Pure.  Each is a command of control with an expiry, so that a process that starts meanwhile takes it
too, and everything is as before by itself afterwards.  Of several for one thing the one that came
last holds.  What cannot be read, as a newer release gave it, is left out.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from libs.common.control.commands import Command

VERB = "debug"
LEVELS = ("debug", "info", "warning", "error")  # The first shows most.
LONGEST = 86_400.0  # Seconds that an order may hold.
MOST = 100  # Orders that are remembered; of more the oldest are forgotten.
MOST_WATCHED = 20  # Apps and channels whose frames are shown at a time, those that came last.


class Watched(NamedTuple):
    """
    Whose frames are shown.

    Attributes:
        app: The app's id.
        channel: The name of one channel; empty: all of the app.
    """

    app: str
    channel: str


@dataclass(frozen=True, slots=True)
class Debugging:
    """
    What a process shows beyond its settings.

    Attributes:
        level: The least that it logs; None: that of its settings.
        frames: Whose frames it shows.
        until: When this changes at the soonest, UTC epoch seconds; None: nothing is ordered.
    """

    level: str | None = None
    frames: tuple[Watched, ...] = ()
    until: float | None = None


def level_order(level: str, processes: Sequence[str], *, now: float, seconds: float) -> Command:
    """
    Order a level.

    Args:
        level: Of `LEVELS`.
        processes: Names of those that take it; none: all do.
        now: UTC epoch seconds.
        seconds: How long it holds, at most `LONGEST`.
    """
    return Command(
        VERB, "", "", now, now + seconds, kind="level", level=level, processes=tuple(processes)
    )


def frames_order(
    watched: Watched, processes: Sequence[str], *, now: float, seconds: float
) -> Command:
    """Order that frames be shown; else as `level_order`."""
    app, channel = watched
    return Command(
        VERB, app, channel, now, now + seconds, kind="frames", processes=tuple(processes)
    )


def off_order(*, now: float) -> Command:
    """End all orders that were given before; it is remembered for longer than they are."""
    return Command(VERB, "", "", now, now + 2 * LONGEST, kind="off")


class DebugOrders:
    """The orders that were heard, in the order in which they came; each may come again."""

    def __init__(self) -> None:
        self._known: dict[Command, bool] = {}  # And whether it was not ended before its time.

    def take(self, command: Command) -> bool:
        """
        Know of a command; tell if it is an order that was not known.

        Those that order something else are ignored, as are repetitions.
        """
        if command.verb != VERB or command in self._known:
            return False
        if command.kind == "off":
            self._known = dict.fromkeys(self._known, False)
        is_order = command.kind == "frames" or (command.kind == "level" and command.level in LEVELS)
        self._known[command] = is_order
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        return True

    def in_force(self, *, now: float) -> list[Command]:
        """Return the orders that hold, in the order in which they came; forget what has expired."""
        self._known = {each: holds for each, holds in self._known.items() if each.expires_at > now}
        return [each for each, holds in self._known.items() if holds]

    def state(self, names: Collection[str], *, now: float) -> Debugging:
        """
        Tell what holds for a process.

        Args:
            names: All by which the process may be called.
            now: UTC epoch seconds.
        """
        orders = [each for each in self.in_force(now=now) if _concerns(each, names)]
        levels = [each.level for each in orders if each.kind == "level"]
        frames = dict.fromkeys(_watched(orders))
        return Debugging(
            level=levels[-1] if levels else None,
            frames=tuple(frames)[-MOST_WATCHED:],
            until=min((each.expires_at for each in orders), default=None),
        )


def _concerns(command: Command, names: Collection[str]) -> bool:
    return not command.processes or any(name in names for name in command.processes)


def _watched(orders: Sequence[Command]) -> Iterator[Watched]:
    return (Watched(each.app, each.subject) for each in orders if each.kind == "frames")
