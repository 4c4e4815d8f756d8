"""
Takes in what clients send, so that none of them makes the others wait.

Of what comes a little is worked on at once, the rest in turns of the loop, in which all who have
more get their share; until it is a client's turn, nothing more is read from it.  Nor is it from one
that sends more than it may, or that does not read what it is answered.  Of a client that is idle
nothing is kept here.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile

from libs.common.apps.app import App
from libs.common.rates.limited import note_limited
from services.gateway.counters import Counters
from services.gateway.intake.allowance import UNLIMITED, allowance_of
from services.gateway.intake.departures import Departures
from services.gateway.intake.limits import IntakeLimits
from services.gateway.intake.sender import Sender, work
from services.gateway.intake.turns import SLICE, Turns

BUFFER = 16 * 1024  # Bytes that are read at once.
LISTEN = 1.0  # Seconds after which one that does not read is heard, for its pongs.
CALM = 1.0  # Seconds without being held after which a client has caught up.

FRAMES = "more frames than gateway.frames allow"
MESSAGE = "a message was longer on its way than server.message_timeout"


@dataclass(slots=True)
class Excess:
    """
    How long a client has been sending more than it may.

    Attributes:
        since: When that began.
        until: Until when it is held, or was last.
    """

    since: float
    until: float


class Intake:
    """
    What the clients of a gateway send.

    Args:
        limits: What each may.
        counters: What is counted.
        clock: Monotonic seconds.

    Attributes:
        buffer: Where bytes are read into, for all of them.
        departures: Those of whom nothing more comes, while they are going.
    """

    def __init__(
        self,
        limits: IntakeLimits | None = None,
        counters: Counters | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.buffer = memoryview(bytearray(BUFFER))
        self.departures = Departures()
        self._limits = limits or IntakeLimits()
        self._paused = (counters or Counters()).paused
        self._clock = clock
        self._app: App | None = None  # Whose limits these are:
        self._gap, self._span = UNLIMITED
        self._turns: Turns[Sender] = Turns()
        self._waiting: dict[Sender, float] = {}  # Until when; none of them stands in line.
        self._held: dict[Sender, Excess] = {}  # Those that have sent too much; the oldest first.
        self._begun: dict[Sender, float] = {}  # When the message began that each is amid; so too.
        self._turning: asyncio.Handle | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._looked_at = 0.0

    def __len__(self) -> int:
        """Count the clients from which nothing is read for now."""
        return len(self._turns) + len(self._waiting)

    def arrived(self, sender: Sender, size: int) -> None:
        """Take so many bytes that a client has sent."""
        if sender.waits:
            return
        if self._turns.is_free:
            self._serve(sender, SLICE)
        elif most := self._turns.share(size):
            self._serve(sender, most)
        else:
            self._line_up(sender)

    def drained(self, sender: Sender) -> None:
        """Note that a client has read what it was sent."""
        if sender in self._waiting and not self._is_held(sender):
            del self._waiting[sender]
            self._line_up(sender)

    def forget(self, sender: Sender) -> None:
        """Know a client no longer: it is gone."""
        self._begun.pop(sender, None)
        self._waiting.pop(sender, None)
        self._held.pop(sender, None)

    def _serve(self, sender: Sender, most: int) -> None:
        """Work on a slice of what a client has sent, and judge whether it is heard again."""
        now = self._clock()
        units, frames, amid = work(sender, most, now=now)
        if units > 1:
            self._turns.spend(units)
            self._turn_later()
        if not sender.is_open:
            return
        if amid or self._begun:
            self._time(sender, now, amid=amid)
        app = sender.session.app
        if app is not self._app:
            self._adopt(app)
        before = sender.frames_earned_at
        after = (before if before > now else now) + frames * self._gap  # noqa: FURB136
        sender.frames_earned_at = after
        if after - now > self._span:
            self._hold(sender, now, until=after - self._span)
        elif sender.socket.straight < 0 and sender.socket.unsent > self._limits.unread:
            self._note_paused("answers")
            self._wait(sender, now + LISTEN)
        elif units >= most and sender.reader.held:
            self._line_up(sender)
        elif sender.waits:
            resume(sender)

    def _adopt(self, app: App) -> None:
        """Reckon with an app's limits until another app's client is served."""
        self._app = app
        self._gap, self._span = allowance_of(app.limits, self._limits.frames, self._limits.burst)

    def _time(self, sender: Sender, now: float, *, amid: int) -> None:
        """Note whether a client is amid a message, and since when; see `work`."""
        if amid != 1:
            self._begun.pop(sender, None)
        if amid:
            self._begun.setdefault(sender, now)
            self._look_later()

    def _hold(self, sender: Sender, now: float, *, until: float) -> None:
        if sender in self._held:
            self._held[sender].until = until
        else:
            self._held[sender] = Excess(now, until)
            self._note_paused("frames")
        self._wait(sender, until)

    def _note_paused(self, why: str) -> None:
        self._paused[why] = self._paused.get(why, 0) + 1

    def _is_held(self, sender: Sender) -> bool:
        return sender in self._held and self._held[sender].until > self._clock()

    def _wait(self, sender: Sender, until: float) -> None:
        _pause(sender)
        self._waiting[sender] = until
        self._look_later()

    def _line_up(self, sender: Sender) -> None:
        _pause(sender)
        self._turns.add(sender)
        self._turn_later()

    def _turn_later(self) -> None:
        if self._turning is None:
            self._turning = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Work on the frames of those in line, as many as fit in a turn of the loop."""
        self._turning = None
        self._turns.begin()
        try:
            while (sender := self._turns.next()) is not None:
                self._serve_safely(sender)
        finally:
            if self._turns:
                self._turn_later()

    def _serve_safely(self, sender: Sender) -> None:
        """Serve a client; if it cannot be, it ends, as asyncio ends one whose protocol fails."""
        try:
            if sender.is_open:
                self._serve(sender, SLICE)
        except Exception:
            sender.socket.transport.abort()
            raise

    def _look_later(self) -> None:
        if self._looking is None:
            self._looked_at = self._clock()
            self._looking = asyncio.get_running_loop().call_later(self._limits.sweep, self._sweep)

    def _sweep(self) -> None:
        self._looking = None
        self.look()
        if self._waiting or self._held or self._begun:
            self._look_later()

    def look(self) -> None:
        """Look after those whose time has come; this happens by itself while there are any."""
        now = self._clock()
        self._forgive(now - self._looked_at)
        self._looked_at = now
        self._judge_held(now)
        self._judge_begun(now)
        for sender in [each for each, until in self._waiting.items() if until <= now]:
            del self._waiting[sender]
            self._line_up(sender)

    def _forgive(self, stopped: float) -> None:
        """Hold nobody to seconds in which the loop stood still: what came in them was not read."""
        if stopped < CALM:
            return
        for held in self._held.values():
            held.since += stopped
        for sender in self._begun:
            self._begun[sender] += stopped

    def _judge_held(self, now: float) -> None:
        for sender, held in list(self._held.items()):
            if now > held.until + CALM:
                del self._held[sender]
            elif now > held.since + self._limits.patience:
                self._expel(sender, FRAMES, limit="frames")

    def _judge_begun(self, now: float) -> None:
        for sender in tuple(takewhile(self._is_late(now), self._begun)):
            self._expel(sender, MESSAGE, limit="message_timeout")

    def _is_late(self, now: float) -> Callable[[Sender], bool]:
        """Tell of which clients messages are overdue; they are known in the order of these."""
        due = now - self._limits.message_timeout
        return lambda sender: self._begun[sender] <= due

    def _expel(self, sender: Sender, reason: str, *, limit: str) -> None:
        self.forget(sender)
        note_limited(limit)
        sender.expel(reason)


def _pause(sender: Sender) -> None:
    if not sender.waits and not sender.socket.transport.is_closing():
        sender.waits = True
        sender.socket.transport.pause_reading()


def resume(sender: Sender) -> None:
    """Read again what a client sends."""
    sender.waits = False
    if not sender.socket.transport.is_closing():
        sender.socket.transport.resume_reading()
