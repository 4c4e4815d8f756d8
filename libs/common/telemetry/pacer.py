"""
The pacer: holds the log to its pace (`pacing`), whatever writes to it.

It is a processor of structlog, and stands first: what is held back costs no more than that.  A call
gives ``pace_by="…"``, the kind by which lines about one event are paced apart, wherever strangers
can cause it; that is not written.  An exception goes by where it was raised, and lines of other
libraries by the name of their logger and how they begin.  A line that is written after others were
held back has ``more``, their number.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from traceback import walk_tb
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from libs.common.telemetry.pacing import QUIET, HeldBack, Pace


class Pacer:
    """
    Drops lines that come too fast, and tells of them; may be called from any thread.

    Args:
        say: Writes a line about others that were held back, past this pacer.
        clock: Monotonic seconds.
        shows_all: Tells whether kinds are not told apart: somebody wants to see every line.
    """

    def __init__(
        self,
        say: Callable[[HeldBack], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        shows_all: Callable[[], bool] = bool,
    ) -> None:
        self._say = say
        self._clock = clock
        self._shows_all = shows_all
        self.restart()

    def restart(self) -> None:
        """Begin anew: what a process that forked held back is told there."""
        self._pace = Pace()
        # The garbage collector may log in the midst of a line.
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None

    def __call__(self, _: WrappedLogger, __: str, line: EventDict, /) -> EventDict:
        """Let a line through; raises DropEvent if it is held back."""
        by = _kind(line)
        record = line.get("_record")
        name = str(line["event"] if record is None else record.name)
        with self._lock:
            by = None if self._shows_all() else by
            more = self._pace.admit(name, by, now=self._clock())
            if more is None:
                self._look_later()
                raise structlog.DropEvent
        if more:
            line["more"] = more
        return line

    def say_due(self) -> None:
        """Tell what was held back and is due; look again later if more was."""
        with self._lock:
            self._timer = None
            due = self._pace.due(now=self._clock())
            if self._pace.is_holding:
                self._look_later()
        for held in due:
            self._say(held)

    def say_rest(self) -> None:
        """Tell all that was held back: the process ends."""
        with self._lock:
            rest = self._pace.rest()
        for held in rest:
            self._say(held)

    def _look_later(self) -> None:
        if self._timer is not None:
            return
        timer = threading.Timer(QUIET, self.say_due)
        timer.daemon = True
        # Where no thread can be had the next line tells it.
        with suppress(RuntimeError):
            timer.start()
            self._timer = timer


def _kind(line: EventDict) -> str | None:
    """Tell by what a line is paced beside its event; None: by nothing."""
    if (by := line.pop("pace_by", None)) is not None:
        return str(by)
    record: logging.LogRecord | None = line.get("_record")  # Where another library wrote it.
    error = _error(line.get("exc_info") if record is None else record.exc_info)
    if error is not None:
        return _origin(error)
    return None if record is None else str(record.msg).partition("\n")[0]


def _error(told: Any) -> BaseException | None:
    """Find the exception that a line is about, as logging and structlog take it."""
    error = told[1] if isinstance(told, tuple) else sys.exception() if told is True else told
    return error if isinstance(error, BaseException) else None


def _origin(error: BaseException) -> str:
    """Tell what was raised, and where."""
    *_, place = [("", 0), *((f.f_code.co_qualname, n) for f, n in walk_tb(error.__traceback__))]
    return f"{type(error).__name__} {place[0]}:{place[1]}"
