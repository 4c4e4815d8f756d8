"""
The order in which a webhook is told: one lane for each channel and each user.

What is in a lane goes one after the other; lanes do not wait for each other.  A vacated channel is
held back for a while, and what is held is dropped with the occupied one that comes meanwhile, as
Pusher does.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from libs.common.lifecycle.facts import Recorded

Subject = tuple[str, str]  # A channel and no user, or a user and no channel.


@dataclass(slots=True, eq=False)
class Withheld:
    """
    What was said of a channel that may be occupied again at once.

    Attributes:
        until: When it is said, in monotonic seconds.
        is_over: Whether it is being said, or was dropped.
    """

    until: float
    is_over: bool = False
    _returned: asyncio.Event = field(default_factory=asyncio.Event)

    def drop(self) -> None:
        """Let it not be said."""
        self.is_over = True
        self._returned.set()

    async def stands(self, now: float) -> bool:
        """Wait until it is time, and tell whether it is to be said."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self.until - now)):
                await self._returned.wait()
        self.is_over = True
        return not self._returned.is_set()


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """
    A place in a lane.

    Attributes:
        subject: What the lane is for.
        items: What is to be told, in order, each with what it is held by.
        before: Set when the one before is done; None: there is none.
        done: Set when this one is.
    """

    subject: Subject
    items: Sequence[tuple[Recorded, Withheld | None]]
    before: asyncio.Event | None
    done: asyncio.Event


class Lanes:
    """
    Puts records into lanes.

    Args:
        delay: Seconds for which a vacated channel is held back.
        clock: UTC epoch seconds, as records are dated.
        timer: Monotonic seconds.
    """

    def __init__(
        self, delay: float, *, clock: Callable[[], float], timer: Callable[[], float]
    ) -> None:
        self._delay = delay
        self._clock = clock
        self._timer = timer
        self._last: dict[Subject, asyncio.Event] = {}
        self._held: dict[str, Withheld] = {}

    def enter(self, records: Iterable[Recorded]) -> list[Turn]:
        """
        Give each subject of some records a turn, behind those it has.

        It does not wait, so that the order of calls is that of the lanes.  Whoever enters must
        `leave` each turn, also if it is cancelled.
        """
        sorted_: dict[Subject, list[tuple[Recorded, Withheld | None]]] = {}
        for record in records:
            if not self._returns(record):
                subject = record.fact.channel, "" if record.fact.channel else record.fact.user
                sorted_.setdefault(subject, []).append((record, self._hold(record)))
        return [self._turn(subject, items) for subject, items in sorted_.items()]

    def _turn(self, subject: Subject, items: Sequence[tuple[Recorded, Withheld | None]]) -> Turn:
        turn = Turn(subject, items, self._last.get(subject), asyncio.Event())
        self._last[subject] = turn.done
        return turn

    async def come(self, turn: Turn) -> None:
        """Wait until a turn has come."""
        if turn.before is not None:
            await turn.before.wait()

    def leave(self, turn: Turn) -> None:
        """End a turn, whether it has come or not; who has left already may do so again."""
        turn.done.set()
        if self._last.get(turn.subject) is turn.done:
            del self._last[turn.subject]
        for record, held in turn.items:
            if held is not None and self._held.get(record.fact.channel) is held:
                del self._held[record.fact.channel]

    async def stands(self, held: Withheld | None) -> bool:
        """Wait for as long as something is held, and tell whether it is to be said."""
        return held is None or await held.stands(self._timer())

    def _hold(self, record: Recorded) -> Withheld | None:
        fact = record.fact
        left = min(self._delay, fact.at + self._delay - self._clock())
        # After a gap nobody may have been told that it was occupied: then both must be told.
        if fact.kind != "channel_vacated":
            return None
        if left <= 0 or record.after_gap:  # It is said, so what was held before it returns no more.
            self._held.pop(fact.channel, None)
            return None
        held = self._held[fact.channel] = Withheld(self._timer() + left)
        return held

    def _returns(self, record: Recorded) -> bool:
        """Drop what is held of a channel that is occupied again, and tell whether anything was."""
        if record.fact.kind != "channel_occupied":
            return False
        held = self._held.get(record.fact.channel)
        if held is None or held.is_over:
            return False
        held.drop()
        return True
