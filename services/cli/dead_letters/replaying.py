"""Dead letters are sent again: appended to the topics where they stood, and noted as such."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from libs.common.eventlog.port import EventLog
from libs.common.eventlog.records import RecordTooLarge
from services.dispatcher.events.dead_letters import PutAside

AT_ONCE = 100  # Letters that are appended together.
LAST = 10.0  # Seconds in which those that are on their way may arrive after an interruption.
MOST_REASONS = 10  # Letters of which it is said why they were not sent.

BARE = "its content was too large to be put aside: it is at {topic}/{partition}, offset {offset}"
TOO_LARGE = "it is larger than kafka.max_record lets us send"


@dataclass(slots=True)
class Replayed:
    """
    How far it is.

    Attributes:
        total: How many letters there are to be sent.
        sent: Those that were.
        failed: Those that could not be; they stay.
        unsure: Those that were on their way when it broke off, and may have been sent.
        reasons: Why, by letter; of some.
    """

    total: int
    sent: int = 0
    failed: int = 0
    unsure: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        failed = f", {self.failed} could not be" if self.failed else ""
        unsure = f", {self.unsure} may have been" if self.unsure else ""
        return f"{self.sent} of {self.total} sent again{failed}{unsure}"

    def fail(self, letter: PutAside, reason: str) -> None:
        """Note that a letter cannot be sent."""
        self.failed += 1
        if len(self.reasons) < MOST_REASONS:
            self.reasons[letter.id] = reason


async def replay(
    letters: AsyncIterator[Sequence[PutAside]],
    events: EventLog,
    *,
    progress: Replayed,
    shown: Callable[[Replayed], None],
) -> None:
    """
    Send letters again, in order, and note which.

    An interruption lets those arrive and be noted that are on their way.  Where it breaks off
    between the two all the same, some may be sent once more by the next replay: a dispatcher
    publishes what they say again.

    Args:
        letters: Those to send.
        events: Has their topics.
        progress: Is told how far it is.
        shown: Called with it now and then.

    Raises:
        Unavailable: The log is away; what was noted stays so.
    """
    async for some in letters:
        for start in range(0, len(some), AT_ONCE):
            await _uninterrupted(_send(some[start : start + AT_ONCE], events, progress))
            shown(progress)


async def _uninterrupted(sending: Coroutine[None, None, None]) -> None:
    """Let a step end before an interruption does, or fail after `LAST` seconds."""
    task = asyncio.create_task(sending)
    try:
        # What was appended and not noted would be sent twice.
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=LAST)
        task.cancel()
        raise


async def _send(letters: Sequence[PutAside], events: EventLog, progress: Replayed) -> None:
    whole = [letter for letter in letters if not letter.is_bare]
    for letter in letters:
        if letter.is_bare:
            place = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
            progress.fail(letter, BARE.format(**place))
    if not whole:
        return
    progress.unsure = len(whole)
    try:
        await events.append([letter.again for letter in whole])
    except RecordTooLarge:
        whole = [letter for letter in whole if await _fits(letter, events, progress)]
    progress.unsure = len(whole)
    await events.append([letter.note for letter in whole])
    progress.sent += len(whole)
    progress.unsure = 0


async def _fits(letter: PutAside, events: EventLog, progress: Replayed) -> bool:
    """Send a letter alone; tell whether the log takes it."""
    try:
        await events.append([letter.again])
    except RecordTooLarge:
        progress.fail(letter, TOO_LARGE)
        return False
    return True
