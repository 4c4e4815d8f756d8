"""
Memberships that ended: every gateway is told to close what they had opened.

Each auth process hears of each removal and sends the order, so that none is needed; an order that is carried out
twice does nothing.  A membership that is there again, because its rows were written anew, closes nothing.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

import structlog

from libs.common.belonging import Membership
from libs.common.control import Control
from libs.common.errors import Unavailable
from libs.common.memberships import Memberships
from libs.common.policies import Policies
from libs.common.retry import Backoff
from services.auth.expulsion import opened, order

MAX_WAITING = 10_000  # Removals; the oldest is given up for a new one.
AT_ONCE = 20  # Removals that are worked on together.
TIMEOUT = 2.0  # Seconds in which memberships, or control, must have answered.

log = structlog.get_logger()


class Removals:
    """
    Removals that wait for their orders.

    Args:
        policies: What memberships open.
        memberships: Whether they are gone indeed.
        control: Takes the orders.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        policies: Policies,
        memberships: Memberships,
        *,
        control: Control,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._policies = policies
        self._memberships = memberships
        self._control = control
        self._clock = clock
        self._waiting: deque[Membership] = deque(maxlen=MAX_WAITING)
        self._come = asyncio.Event()

    def replace(self, policies: Policies) -> None:
        """Put other policies in the place of all."""
        self._policies = policies

    def add(self, membership: Membership) -> None:
        """Have a removal wait; beyond `MAX_WAITING` the oldest is given up, and the log says so."""
        if len(self._waiting) == MAX_WAITING:
            log.warning("removal.given_up", app=self._waiting[0].app, group=self._waiting[0].group)
        self._waiting.append(membership)
        self._come.set()

    async def run(self) -> None:
        """Send orders until cancelled."""
        while True:
            await self._come.wait()
            self._come.clear()
            while self._waiting:
                count = min(AT_ONCE, len(self._waiting))
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(count):
                        tasks.create_task(self._close(self._waiting.popleft()))

    async def _close(self, membership: Membership) -> None:
        channels = opened(self._policies, membership.app, membership.group)
        if not channels or await self._is_there(membership):
            return
        command = order(membership, channels, now=self._clock())
        backoff = Backoff()
        while command.expires_at > self._clock():
            try:
                async with asyncio.timeout(TIMEOUT):
                    await self._control.send(command)
            except (Unavailable, TimeoutError):
                await asyncio.sleep(backoff.delay())
            else:
                log.info(
                    "user.expelled",
                    app=membership.app,
                    user=membership.user,
                    group=membership.group,
                )
                return
        log.error("removal.given_up", app=membership.app, group=membership.group)

    async def _is_there(self, membership: Membership) -> bool:
        """Tell whether a membership came back at once; who cannot be asked is taken at their first word."""
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._memberships.has(membership)
        except (Unavailable, TimeoutError):
            return False
