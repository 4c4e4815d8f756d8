"""Tells subscribers how far users have read: ``fanfare:read``, a few times a second a channel."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from libs.common.bus.messages import Broadcast, event_frame
from libs.common.bus.port import Bus
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.json_text import write
from libs.common.marks.mark import Mark
from libs.common.marks.port import Reading
from services.presence.receipts.pending import PendingMarks

EVENT = "fanfare:read"
AT_ONCE = 100  # Channels that are told at once, so that a part of the bus that is away delays few.


class ReadAnnouncer:
    """
    Announces marks on the bus.  Lives while `run` runs.

    Args:
        bus: Where subscribers are.
        clock: Monotonic seconds.
    """

    def __init__(self, bus: Bus, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._clock = clock
        self._pending = PendingMarks()
        self._told: dict[tuple[Channel, str], asyncio.Future[None]] = {}
        self._wake = asyncio.Event()

    async def tell(self, readings: Sequence[Reading]) -> None:
        """
        Return when subscribers were told of each mark, or of a newer one of the same user.

        Raises:
            Unavailable: The bus is away; all may be told again.
        """
        loop = asyncio.get_running_loop()
        told = {
            self._told.setdefault(reading[:2], loop.create_future())
            for reading in readings
            if self._pending.put(reading)
        }
        self._wake.set()
        if told:
            done, _ = await asyncio.wait(told)  # Which cancels none, as others wait for them too.
            for each in done:
                each.result()

    async def run(self) -> None:
        """Announce what is due, until cancelled."""
        room = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await room.acquire()
                channel, marks = await self._due()
                # What is told from here on has a future of its own.
                futures = [self._told.pop((channel, user)) for user in marks]
                task = tasks.create_task(self._announce(channel, marks, told=futures))
                task.add_done_callback(lambda _: room.release())

    async def _due(self) -> tuple[Channel, Mapping[str, Mark]]:
        """Wait until a channel is due; return what is told of it."""
        while (due := self._pending.take(self._clock())) is None:
            await self._sleep(self._pending.next_at())
        return due

    async def _sleep(self, until: float | None) -> None:
        """Wait until a channel is due, or something is to be told."""
        self._wake.clear()
        timeout = None if until is None else max(0.0, until - self._clock())
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _announce(
        self, channel: Channel, marks: Mapping[str, Mark], *, told: Sequence[asyncio.Future[None]]
    ) -> None:
        try:
            await self._bus.whisper(channel, Broadcast(frame_of(channel, marks), time.time()))
        except Unavailable as error:
            for future in told:
                future.set_exception(error)
                future.exception()  # Who waits may be gone.
            return
        finally:
            self._pending.over(channel)
            self._wake.set()
        for future in told:
            future.set_result(None)


def frame_of(channel: Channel, marks: Mapping[str, Mark]) -> bytes:
    """Write what subscribers are told: each user's mark."""
    data = {"marks": {user: mark.told for user, mark in marks.items()}}
    return event_frame(channel.name, EVENT, write(data).decode())
