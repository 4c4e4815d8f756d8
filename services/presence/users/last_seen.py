"""
The sink ``last_seen``: notes when users come online and go offline.

Facts that come from several streams while something is being stored are stored together
afterwards, so that ten thousand users who leave at once are a few statements.

While the sightings are away, facts stay in their streams for `PATIENCE`: a process that dies then
loses nothing.  What comes later waits in memory (`PendingSightings`), for the streams are short.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import structlog

from libs.common.channels import is_user_id
from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import ABOUT_USERS, Kind, Recorded
from libs.common.retry import Backoff
from libs.common.sightings.port import Sightings
from libs.common.sightings.summary import Sighting
from libs.common.telemetry.metrics.histogram import Histogram
from services.presence.users.pending import PendingSightings

PATIENCE = 30.0  # Seconds of an outage after which facts are taken from their streams.
DRAIN_TIMEOUT = 5.0  # Seconds that the last attempt may take, when the process ends.

log = structlog.get_logger()


class LastSeen:
    """
    A sink of facts (`lifecycle.sinks.Sink`).  Lives while `run` runs.

    Args:
        sightings: Where they are stored.
        pending: Keeps what is not stored yet.
        clock: Monotonic seconds.

    Attributes:
        stored: Users whose last sighting was stored, each flush counted.
        dropped: Users of whom a sighting was dropped.
        seconds: How long each flush took.
    """

    name = "last_seen"
    depth = 1
    room = None

    def __init__(
        self,
        sightings: Sightings,
        pending: PendingSightings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sightings = sightings
        self._clock = clock
        self._pending = pending
        self._turn = asyncio.Lock()
        self._away_since: float | None = None
        self._lost = asyncio.Event()
        self.stored = self.dropped = 0
        self.seconds = Histogram()

    def wants(self, kind: Kind) -> bool:
        """See `Sink.wants`."""
        return kind in ABOUT_USERS

    async def take(self, records: Sequence[Recorded]) -> None:
        """
        Store what facts say of users; see `Sink.take`.

        Returns when it is stored, or when it waits in memory as the sightings have been away for
        longer than `PATIENCE`.

        Raises:
            Unavailable: The sightings are away; the same facts may come again.
        """
        self._pending.add(sightings_of(records))
        async with self._turn:  # While they are away `run` alone tries.
            if self._away_since is None:
                await self._store()
        if self.is_away and not self._takes_over:
            raise Unavailable("sightings")

    @property
    def waiting(self) -> int:
        """Users of whom something waits to be stored."""
        return len(self._pending)

    @property
    def is_away(self) -> bool:
        """Whether the sightings were away when something was last to be stored."""
        return self._away_since is not None

    @property
    def _takes_over(self) -> bool:
        """Whether they have been away for so long that facts are taken from their streams."""
        return self._away_since is not None and self._clock() - self._away_since >= PATIENCE

    async def _store(self) -> None:
        """Store all that waits, and know whether the sightings are there."""
        began = self._clock()
        try:
            for batch in self._pending.batches():
                await self._sightings.note(batch)
                self._pending.stored(batch)
                self.stored += len(batch)
        except Unavailable:
            if self._away_since is None:
                self._away_since = self._clock()
            self._lost.set()
            return
        self._away_since = None
        self.seconds.record(self._clock() - began)
        self._lost.clear()
        self._tell_dropped()

    def _tell_dropped(self) -> None:
        if dropped := self._pending.dropped():
            self.dropped += dropped.users
            log.warning("sightings.dropped", users=dropped.users, spans=dropped.spans)

    async def run(self) -> None:
        """Store what waits once the sightings are back, until cancelled."""
        while True:
            await self._lost.wait()
            backoff = Backoff()
            while self._lost.is_set():
                await asyncio.sleep(backoff.delay())
                async with self._turn:
                    await self._store()

    async def drain(self) -> None:
        """
        Try once more to store what waits.

        What was taken from its streams and cannot be stored is lost, and counted; the rest comes
        again in another process.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_TIMEOUT), self._turn:
                await self._store()
        if self._takes_over:
            self.dropped += len(self._pending)
            log.warning("sightings.dropped", users=len(self._pending), spans=0)


def sightings_of(records: Sequence[Recorded]) -> Iterator[Sighting]:
    """Read of facts which users came online and went offline."""
    for fact in (record.fact for record in records):
        if fact.kind in ABOUT_USERS and is_user_id(fact.user):
            yield Sighting(fact.app, fact.user, fact.at, fact.kind == "user_online")
