"""
The gateway's lease: under which name its members are seated, and for how long that name holds.

A lost name is never used again: whoever clears its seats may not have finished.  The gateway takes
another name, and seats all its members again under that.
"""

import asyncio
import secrets
import time
from contextlib import suppress

import structlog

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.leases.port import LeaseLost, Leases
from libs.common.leases.standby import Standby
from libs.common.roster.port import Seat
from services.gateway.timers import TIMERS, Timers

log = structlog.get_logger()


class Lease:
    """
    A name that has a lease, renewed while the gateway lives.

    Args:
        leases: Keeps the leases of all gateways.
        ttl: Seconds for which a renewal holds.
        interval: Seconds between renewals.
        unseated: Set when the name was changed: all members must be seated again.
        loop_timeout: Seconds for which the event loop may be held; then the name is lost, too.
        timers: The time between two attempts while the roster is away.

    Attributes:
        name: The present name.
        lost: How often it was given up for another, since the start.
        renewed_at: When the present name was renewed last, in monotonic seconds; None: never, or it
            is released.
    """

    def __init__(
        self,
        leases: Leases,
        *,
        ttl: float,
        interval: float,
        unseated: asyncio.Event,
        loop_timeout: float = 60.0,
        timers: Timers = TIMERS,
    ) -> None:
        self._leases = leases
        self._ttl = ttl
        self._interval = interval
        self._timers = timers
        self._standby = Standby(leases, self, ttl=ttl, interval=interval, loop_timeout=loop_timeout)
        self.name = secrets.token_hex(8)
        self.lost = 0
        self._renamed = asyncio.Event()
        self._unseated = unseated
        self.renewed_at: float | None = None
        self._is_released = False
        self._calling = asyncio.Lock()  # A renewal must not overtake the release.
        self._must_go = False  # Whether it is given up as soon as it was renewed.
        self._was_away = False  # Whether the last renewal failed, perhaps only in part.

    def seat(self, channel: Channel, socket_id: str) -> Seat:
        """Name a connection's seat."""
        return Seat(channel, socket_id, self.name)

    def lose(self, name: str) -> None:
        """Give up a name, unless that was done before; its seats will be cleared."""
        if name == self.name:
            self.lost += 1
            self.name = secrets.token_hex(8)
            self.renewed_at, self._must_go = None, False
            self._renamed.set()
            self._unseated.set()
            log.warning("lease.lost", gateway=name, next=self.name)

    def forsake(self, name: str) -> None:
        """
        Give up a name, at once if it was renewed, else after its first renewal.

        Without that wait each of many departures in an outage would take another name.
        """
        if name != self.name:
            return
        if self.renewed_at is not None:
            self.lose(name)
        else:
            self._must_go = True

    async def run(self) -> None:
        """Renew until cancelled; while the event loop is held the standby does."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_renewing())
            tasks.create_task(self._standby.run())

    async def _keep_renewing(self) -> None:
        # A new name is renewed at once: until then its seats look like those of a dead gateway.
        while True:
            self._renamed.clear()
            delay = await self.renew()
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._renamed.wait()

    async def renew(self) -> float:
        """Renew once, and return the seconds after which that must be done again."""
        name = self.name
        if self._is_released:
            return self._interval
        try:
            async with self._calling:
                was_held = await self._leases.renew(name, ttl=self._ttl)
            self._renewed(name, was_held=was_held)
        except LeaseLost:
            self.lose(name)
        except Unavailable:
            self._was_away = True
            log.debug("lease.not_renewed", gateway=name)
            # Once the roster is back the grace period runs, and may be no longer than the interval.
            return min(self._timers.lease_retry, self._interval)
        return self._interval

    def _renewed(self, name: str, *, was_held: bool) -> None:
        # A renewal that failed in part may have found the lease gone there, and made it anew.
        if not was_held or self._was_away:
            self._unseated.set()  # New, lapsed, or lost with the roster's data: so may be seats.
        self._was_away = False
        if name == self.name and not self._is_released:
            self.renewed_at = time.monotonic()
            if self._must_go:
                self.lose(name)

    async def release(self) -> None:
        """End the lease for good: its members may return elsewhere within the grace period."""
        self._is_released, self.renewed_at = True, None
        try:
            async with self._calling:
                await self._leases.release(self.name)
        except Unavailable:
            log.debug("lease.not_released", gateway=self.name)
