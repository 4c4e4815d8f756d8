"""
The canary: whether what is published arrives, tried by every process that uses the bus.

Every ten seconds the process whispers to an ear of its own, on a channel that is in nobody's
history and counts and that no client can name, and waits until it hears it; as long as none comes
it does so every second.  So it is noticed within seconds when a bus takes what is published and
brings it to nobody, while every question to its server is answered.  Whether clients may come does
not depend on it.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Sequence

import structlog

from libs.common.bus.messages import Broadcast, Delivery, Whisper
from libs.common.bus.port import Bus, Listener
from libs.common.canary.flight import Flight
from libs.common.channels import CANARY_PREFIX, Channel
from libs.common.errors import Unavailable
from libs.common.outage import reason_of
from libs.common.telemetry.metrics.families import Metric, counter, histogram
from libs.common.telemetry.metrics.histogram import Histogram

INTERVAL = 10.0  # Seconds from one canary to the next.
SOONER = 1.0  # The same after one that did not come.
DEADLINE = 5.0  # Seconds in which one must arrive.

SECONDS = histogram(
    "fanfare_canary_seconds",
    "How long a message of the process itself took from being published to being heard, tried "
    "every ten seconds: the way of the bus alone.",
)
LOST = counter(
    "fanfare_canary_lost_total",
    "Such messages that could not be published, or were not heard within five seconds: while this "
    "grows nothing that is published arrives here.",
)

log = structlog.get_logger()


class Canary:
    """
    The canary of one process.

    Args:
        bus: What is tried.
        interval: Seconds between two, where they come.
        deadline: Seconds that one may take.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        interval: float = INTERVAL,
        deadline: float = DEADLINE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bus = bus
        self._channel = Channel("", CANARY_PREFIX + secrets.token_hex(8))
        self._interval = interval
        self._deadline = deadline
        self._clock = clock
        self._is_following = False
        self._seconds = Histogram()
        self.flight = Flight()

    async def run(self) -> None:
        """Send one after the other until cancelled."""
        async with self._bus.listen() as listener:
            while True:
                await self._send(listener)
                is_lost = self.flight.reason is not None
                await asyncio.sleep(min(self._interval, SOONER) if is_lost else self._interval)

    def metrics(self) -> Iterator[Metric]:
        """See `Measured.metrics`."""
        yield SECONDS.of(self._seconds)
        yield LOST.of(self.flight.lost)

    async def _send(self, listener: Listener) -> None:
        """Send one, and note what becomes of it."""
        try:
            async with asyncio.timeout(self._deadline):
                seconds = await self._fly(listener)
        except Unavailable as error:
            self._lose(reason_of(error))
        except TimeoutError:
            self._lose(f"not heard within {self._deadline:g} s")
        else:
            self._arrive(seconds)

    async def _fly(self, listener: Listener) -> float:
        """Return how many seconds one took."""
        if not self._is_following:
            if self._channel not in await listener.follow([self._channel]):
                raise Unavailable("bus")
            self._is_following = True
        mark = secrets.token_hex(8).encode()
        began = time.monotonic()
        await self._bus.whisper(self._channel, Broadcast(mark, self._clock()))
        while not _holds(await listener.receive(self._deadline), mark):
            pass
        return time.monotonic() - began

    def _lose(self, reason: str) -> None:
        if self.flight.reason is None:
            log.warning("canary.lost", reason=reason)
        self.flight = self.flight.failed(reason, now=self._clock())

    def _arrive(self, seconds: float) -> None:
        self._seconds.record(seconds)
        if self.flight.reason is not None:
            log.info("canary.returned", seconds=round(self._clock() - self.flight.lost_since, 3))
        self.flight = self.flight.arrived(seconds, now=self._clock())


def _holds(deliveries: Sequence[Delivery], mark: bytes) -> bool:
    return any(isinstance(each, Whisper) and each.broadcast.frame == mark for each in deliveries)
