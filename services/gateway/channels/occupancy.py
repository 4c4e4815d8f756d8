"""
Keeps the tally told of how many subscribe to each channel here.

A newcomer is told that it is in when the report that counts it is answered, so that whoever asks
then finds it counted; it waits for a moment at most, and while the tally is away not at all.  What
changes while a report is under way is reported together, each channel once, again and again until
the tally could be reached; the last number that it hears is the one that is true here.
"""

import asyncio
from collections.abc import Callable

from libs.common.channels import Channel
from libs.common.leases.port import LeaseLost
from libs.common.tally.port import Count, Outcome, Subject, Tally
from services.gateway.channels.hub import Hub
from services.gateway.connections.connection import Connection
from services.gateway.held_writes import Held, HeldWrites
from services.gateway.lease import Lease
from services.gateway.timers import TIMERS, Timers

BATCH = 500  # Channels of one round trip.


class Occupancy:
    """
    Reports the subscriptions of this gateway.

    What waits is bounded by the channels that are followed here, and those that were a moment ago.

    Args:
        tally: Counts the subscriptions of all gateways.
        hub: Knows who is subscribed to what here.
        lease: The name under which this gateway counts.
        announced: Whether an app, given by its id, wants its subscribers told how many they are.
        timers: How long newcomers wait, and how it waits for the tally.
    """

    def __init__(
        self,
        tally: Tally,
        hub: Hub[Connection],
        *,
        lease: Lease,
        announced: Callable[[str], bool],
        timers: Timers = TIMERS,
    ) -> None:
        self._tally = tally
        self._hub = hub
        self._lease = lease
        self._announced = announced
        self._timers = timers
        self._held = HeldWrites(timers.count_patience)
        self._changed: dict[Channel, None] = {}
        self._stirred = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()

    def came(self, channel: Channel, socket: Held) -> None:
        """Note that somebody came to a channel, and hold what it is told until that is reported."""
        self._held.hold(socket)
        self.changed(channel)

    def changed(self, channel: Channel) -> None:
        """Note that somebody went from a channel."""
        self._changed[channel] = None
        self._settled.clear()
        self._stirred.set()

    def restate(self) -> None:
        """Report everything anew: the tally may have lost it, or knows this gateway no longer."""
        for room in self._hub.rooms():
            if room.subscribers:
                self.changed(room.channel)

    async def settled(self) -> None:
        """Return once the tally knows everything; the caller sets the deadline."""
        await self._settled.wait()

    async def run(self) -> None:
        """Report until cancelled."""
        backoff = self._timers.backoff()
        while True:
            await self._stirred.wait()
            is_whole = await self._report_all()
            self._held.reported(is_whole=is_whole)
            if is_whole:
                backoff.reset()
            else:
                await asyncio.sleep(backoff.delay())
            if not self._changed:
                self._stirred.clear()
                self._settled.set()

    async def _report_all(self) -> bool:
        """Report what has changed until now; tell whether all of it could be."""
        channels = list(self._changed)
        self._changed.clear()
        batches = [channels[start : start + BATCH] for start in range(0, len(channels), BATCH)]
        with self._held.reporting():
            return all([await self._report(batch) for batch in batches])

    async def _report(self, channels: list[Channel]) -> bool:
        """Report some channels; tell whether all of them could be."""
        name = self._lease.name
        counts = [self._count(channel) for channel in channels]
        answers = await self._tally.report(name, counts)
        for channel, answer in zip(channels, answers, strict=True):
            if not isinstance(answer, Outcome):
                self._changed[channel] = None
            if isinstance(answer, LeaseLost):
                self._lease.lose(name)
        return all(isinstance(answer, Outcome) for answer in answers)

    def _count(self, channel: Channel) -> Count:
        room = self._hub.room(channel)
        number = len(room.subscribers) if room else 0
        announced = not channel.is_presence and self._announced(channel.app)
        subject = Subject("channel", channel.app, channel.name)
        return Count(subject, number, announced=announced)
