"""
Read receipts: how far users have read is kept, and what moved is recorded to be told.

Whoever is answered has a mark that is stored, and a fact that says so: a process that dies loses
neither.  Whoever is not may say it again, which does no harm.
"""

from collections.abc import Collection, Mapping, Sequence

from libs.common.bus.messages import Position
from libs.common.bus.port import Bus
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import Fact
from libs.common.lifecycle.port import Lifecycle
from libs.common.marks.mark import Mark
from libs.common.marks.port import AT_ONCE, Marks, Reader, Reading, TooManyMarks
from libs.common.parts import by_parts
from libs.common.policies.selections import ReceiptRule, SelectedChannels
from services.presence.receipts.batched_calls import BatchedCalls

MOST_WAITING = 10_000  # Readings that wait for a batch, some 5 MB.

# What became of a reading: the mark that stands; why there is none; None: it is of an epoch of the
# channel's history that is over.
Moved = Mark | TooManyMarks | Unavailable | None


class Receipts:
    """
    Keeps how far users have read.  Lives while `run` runs.

    Args:
        rules: Which channels have receipts.
        marks: Where they are stored.
        bus: Knows the positions of channels.
        lifecycle: Where it is recorded that users have read.

    Attributes:
        rules: May be replaced at any time.
    """

    def __init__(
        self, rules: SelectedChannels[ReceiptRule], marks: Marks, *, bus: Bus, lifecycle: Lifecycle
    ) -> None:
        self.rules = rules
        self._marks = marks
        self._bus = bus
        self._lifecycle = lifecycle
        self._recorded: dict[Reader, Mark] = {}  # By this process last, and perhaps overtaken.
        self._calls = BatchedCalls[Reading, Moved](
            self._move, "receipts", at_once=AT_ONCE, most_waiting=MOST_WAITING
        )

    async def run(self) -> None:
        """Store what is told, until cancelled."""
        await self._calls.run()

    async def move(self, readings: Sequence[Reading]) -> Sequence[Moved]:
        """
        Take how far users have read, of at most `AT_ONCE` at once; see `Marks.move`.

        Returns:
            For each what became of it; Unavailable: a part of Redis is away, tell it again.

        Raises:
            Unavailable: A backend is away, or too many wait; all may be told again.
        """
        return await self._calls.ask(readings)

    async def check(self) -> None:
        """Ask whether marks can be stored, where there are any; raises as `Marks.check` does."""
        if self.rules:
            await self._marks.check()

    def captures(self, channel: Channel) -> Mapping[str, str]:
        """Return what the rule of a channel captures; see `SelectedChannels.captures`."""
        return self.rules.captures(channel)

    async def top(self, channel: Channel) -> Position:
        """
        Tell the present position of a channel.

        Raises:
            Unavailable: The bus is away.
        """
        tops = await self._bus.tops([channel])
        if channel not in tops:
            raise Unavailable("bus")
        return tops[channel]

    async def _move(self, readings: Sequence[Reading]) -> Sequence[Moved]:
        await self._confirm()
        tops = await self._tops(readings)
        admitted = [_bounded(reading, tops) for reading in readings]
        kept = [each for each in admitted if isinstance(each, Reading)]
        stands: dict[Reading, Moved] = dict(zip(kept, await self._marks.move(kept), strict=True))
        # A mark that moved back tells nothing.
        read = {each[:2]: each.mark for each in kept if stands[each] == each.mark}
        untold = await self._record(read)
        self._recorded = {reader: mark for reader, mark in read.items() if reader[0] not in untold}
        await self._confirm()
        outcome = stands | {each: Unavailable("roster") for each in kept if each.channel in untold}
        return [outcome[each] if isinstance(each, Reading) else each for each in admitted]

    async def _tops(self, readings: Sequence[Reading]) -> Mapping[Channel, Position]:
        """Read the positions of channels whose marks are such; those that are away are missing."""
        channels = {reading.channel for reading in readings if reading.mark.epoch}
        try:
            return await self._bus.tops(channels) if channels else {}
        except Unavailable:
            return {}

    async def _confirm(self) -> None:
        """
        Record anew what was moved on by another process, which may have recorded it before.

        So the last that is recorded of a reader is what stands, however the two were interleaved.
        """
        while self._recorded:
            readers = list(self._recorded)
            stands = zip(readers, await self._marks.standing(readers), strict=True)
            anew = {
                reader: mark
                for reader, mark in stands
                if mark is not None and mark != self._recorded[reader]
            }
            untold = await self._record(anew)
            if untold:  # It is tried again with the next readings.
                self._recorded = {each: self._recorded[each] for each in anew}
                return
            self._recorded = anew

    async def _record(self, marks: Mapping[Reader, Mark]) -> Collection[Channel]:
        """Record how far users have read; return the channels of which it could not be."""
        facts: dict[Channel, list[Fact]] = {}
        for fact in facts_of(marks):
            facts.setdefault(Channel(fact.app, fact.channel), []).append(fact)

        async def record(channels: Sequence[Channel]) -> None:
            await self._lifecycle.record([fact for each in channels for fact in facts[each]])

        return await by_parts(list(facts), record, batch=AT_ONCE)


def facts_of(marks: Mapping[Reader, Mark]) -> list[Fact]:
    """Say how far users have read."""
    return [
        Fact(kind="message_read", app=channel.app, channel=channel.name, user=user, data=mark.text)
        for (channel, user), mark in marks.items()
    ]


def _bounded(reading: Reading, tops: Mapping[Channel, Position]) -> Reading | Unavailable | None:
    """Leave out positions of epochs that are over; nobody has read what is not there yet."""
    channel, user_id, mark = reading
    if not mark.epoch:
        return reading
    top = tops.get(channel)
    if top is None:
        return Unavailable("bus")
    if not Position(mark.epoch, mark.number).leads_to(top.epoch):
        return None
    return Reading(channel, user_id, Mark(min(mark.number, top.offset), top.epoch))
