"""
Compares how far each channel is here with how far it is on the bus.

So also a lost last entry is found.

A channel that brings entries needs no check: the next entry shows what is missing.  So only silent
ones are compared, once in a while; and all that are in doubt, as after the connection to the bus
broke that brought them.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator

from libs.common.bus.messages import Position
from libs.common.bus.port import Bus
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from services.gateway.channels.hub import Hub, Room
from services.gateway.connections.connection import Connection
from services.gateway.timers import TIMERS, Timers

CHECK_BATCH = 512  # Channels whose positions are compared in one round trip.


class PositionCheck:
    """
    Finds the channels that are behind.

    Args:
        bus: Knows the newest position of each channel.
        hub: Knows what was reached here.
        interval: Seconds after which silent channels are compared.
        unseated: Set after a check that followed a doubt: what made the bus doubtful may have cost
            seats.
        timers: How often it looks whether it is time for a check, and how it waits for the bus.
    """

    def __init__(
        self,
        bus: Bus,
        hub: Hub[Connection],
        *,
        interval: float,
        unseated: asyncio.Event,
        timers: Timers = TIMERS,
    ) -> None:
        self._bus = bus
        self._hub = hub
        self._interval = interval
        self._unseated = unseated
        self._timers = timers
        self._doubts = 0  # Reasons to compare positions now.
        self._doubted: frozenset[Channel] | None = frozenset()  # Whose they are; None: all.
        # Where positions did not agree: what was reached here, and what the bus has.
        self._tops: dict[Channel, tuple[Position, Position]] = {}
        self._next_check = time.monotonic() + interval

    @property
    def is_in_doubt(self) -> bool:
        """Whether something may be missing, and positions have not been compared since."""
        return self._doubts > 0

    def doubt(self, channels: frozenset[Channel] | None = None) -> None:
        """Have positions compared: something may be missing in these channels, or anywhere."""
        self._doubts += 1
        known = self._doubted
        self._doubted = None if channels is None or known is None else known | channels

    def behind(self) -> Iterator[Channel]:
        """
        Yield the channels that must be repaired, each judged when it is asked for.

        Left out are those that deliveries have brought to the bus's position since they were
        compared.
        """
        tops, self._tops = self._tops, {}
        for channel, (known, top) in tops.items():
            room = self._hub.room(channel)
            if room is None:
                continue
            reached = room.position
            is_there = top.leads_to(reached.epoch) and reached.offset >= top.offset
            if reached == known or not is_there:
                yield channel

    async def run(self) -> None:
        """Check until cancelled."""
        backoff = self._timers.backoff()
        while True:
            await asyncio.sleep(self._timers.poll)
            doubts, now = self._doubts, time.monotonic()
            if not doubts and now < self._next_check:
                continue
            doubted, self._doubted = self._doubted, frozenset()
            rooms = self._in_doubt(doubted) if doubts else self._silent(now)
            if await self._check(rooms, seats=doubts > 0):
                self._doubts -= doubts  # Those that came meanwhile ask for another check.
                backoff.reset()
            else:
                self.doubt(doubted if doubts else None)
                await asyncio.sleep(backoff.delay())

    def _in_doubt(self, doubted: frozenset[Channel] | None) -> list[Room[Connection]]:
        return [room for room in self._hub.rooms() if doubted is None or room.channel in doubted]

    def _silent(self, now: float) -> list[Room[Connection]]:
        """Choose the rooms that were silent since this was asked the last time."""
        self._next_check = now + self._interval
        silent = [room for room in self._hub.rooms() if not room.active]
        for room in self._hub.rooms():
            room.active = False
        return silent

    async def _check(self, chosen: Iterable[Room[Connection]], *, seats: bool) -> bool:
        """
        Compare positions with the bus; tell whether all could be.

        Args:
            chosen: Whose.
            seats: Whether seats too may be lost.
        """
        # Nothing is published in users' own channels: who is online is read again after a doubt.
        rooms = [room for room in chosen if not room.channel.is_online]
        answers = [
            await self._compare(rooms[start : start + CHECK_BATCH])
            for start in range(0, len(rooms), CHECK_BATCH)
        ]
        if seats and all(answers):
            self._unseated.set()
        return all(answers)

    async def _compare(self, rooms: list[Room[Connection]]) -> bool:
        known = {room.channel: room.position for room in rooms}
        try:
            tops = await self._bus.tops(known)
        except Unavailable:
            return False
        for channel, top in tops.items():
            if top != known[channel]:
                self._tops[channel] = known[channel], top
        return len(tops) == len(known)
