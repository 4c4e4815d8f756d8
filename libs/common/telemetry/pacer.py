"""
The pacer: holds the log to its pace (`pacing`), whatever writes to it.

It is a processor of structlog, and stands first: what is held back costs no more than that.  A call
may give ``pace_by="…"``, a value by which lines about one event are paced apart; it is not written.
Lines of other libraries go by the name of their logger.  A line that is written after others were
held back has ``more``, their number.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from structlog.typing import EventDict, WrappedLogger

from libs.common.telemetry.pacing import QUIET, HeldBack, Pace


class Pacer:
    """
    Drops lines that come too fast, and tells of them; may be called from any thread.

    Args:
        say: Writes a line about others that were held back, past this pacer.
        clock: Monotonic seconds.
    """

    def __init__(
        self, say: Callable[[HeldBack], None], clock: Callable[[], float] = time.monotonic, /
    ) -> None:
        self._say = say
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Begin anew: what a process that forked held back is told there."""
        self._pace = Pace()
        # The garbage collector may log in the midst of a line.
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None

    def __call__(self, _: WrappedLogger, __: str, line: EventDict, /) -> EventDict:
        """Let a line through; raises DropEvent if it is held back."""
        by = line.pop("pace_by", None)
        record = line.get("_record")  # A LogRecord, where another library wrote it.
        name = str(line["event"] if record is None else record.name)
        with self._lock:
            more = self._pace.admit(name, None if by is None else str(by), now=self._clock())
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
