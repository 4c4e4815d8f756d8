"""
Has subscribes wait while there are more than the rates allow.

This is the shell; the rules are in `new_channels`.  Nothing is kept here of a connection that does
not wait, and while nobody waits nothing is looked at.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import structlog

from libs.common.apps.app import App
from libs.common.rates.limited import note_limited
from libs.common.tally.port import Subject
from services.gateway.protocol.effects import Ask
from services.gateway.protocol.limits import OVER_CAPACITY
from services.gateway.quotas.budgets import ANY, SubscribeLimits
from services.gateway.quotas.new_channels import NONE, NewChannels, Wait
from services.gateway.quotas.quotas import address_of
from services.gateway.timers import TIMERS, Timers

log = structlog.get_logger()

BATCH = 250  # Subscribes that go on in one turn of the loop.
SAYING = 60.0  # Seconds between two lines of the log.


class KnowsApp(Protocol):
    """Something of an app's, as it is now."""

    app: App


class Subscribing(Protocol):
    """
    A client's connection.

    Attributes:
        is_open: Whether it can still be read from.
        counts_for: What its gateway counts it for; see `quotas`.
        subscribes_earned_at: See `Applicant.subscribes_earned_at`.
    """

    is_open: bool
    counts_for: tuple[Subject, ...]
    subscribes_earned_at: float

    @property
    def session(self) -> KnowsApp:
        """Return what knows whose client it is."""

    def close(self, code: int, reason: str) -> None:
        """Say why, and close it."""


S = TypeVar("S", bound=Subscribing)


class ChannelLimiter(Generic[S]):
    """
    The subscribes of this gateway's connections.

    Args:
        limits: How fast they may come, and how many may wait.
        is_new: Whether Redis must be asked for a subscribe's channel, or keeps something of it.
        pass_on: Takes a subscribe that has waited when it may go on.
        timers: How often it is looked whose turn it is.
    """

    def __init__(
        self,
        limits: SubscribeLimits,
        *,
        is_new: Callable[[S, Ask], bool],
        pass_on: Callable[[S, Ask], None],
        timers: Timers = TIMERS,
    ) -> None:
        self._limits = limits
        self._app: App | None = None  # Whose client's budget this is:
        self._budget = ANY
        self._new_channels: NewChannels[S] = NewChannels(limits, is_new)
        self._pass_on = pass_on
        self._timers = timers
        self._began_to_wait = asyncio.Event()
        self._untold: Counter[str] = Counter()  # Since the last line of the log, by limit.
        self._say_at = 0.0

    @property
    def waiting(self) -> int:
        """How many subscribes wait."""
        return len(self._new_channels)

    def admits(self, connection: S, ask: Ask, *, is_new: bool) -> bool:
        """
        Tell whether a subscribe may go on now, as most may.

        Else it is passed on when it is its turn; without room to wait, its connection is closed
        (4100).
        """
        app = connection.session.app
        if app is not self._app:
            self._app, self._budget = app, self._limits.of_connection(app.limits.channels)
        wait = self._new_channels.take(
            connection,
            ask,
            self._budget,
            is_new=is_new,
            address=address_of(connection.counts_for),
            now=time.monotonic(),
        )
        if wait is NONE:
            return True
        self._untold[wait] += 1
        self._began_to_wait.set()
        if wait is Wait.IMPOSSIBLE:
            connection.close(OVER_CAPACITY, "over capacity: too many wait to join")
        else:
            note_limited(wait)
        return False

    def withdraw(self, connection: S, channel: str) -> bool:
        """Let a subscribe wait no more; tell whether it did."""
        return self._new_channels.withdraw(connection, channel)

    def gone(self, connection: S) -> None:
        """Let nothing of a connection wait: it has ended."""
        self._new_channels.forget(connection)

    async def run(self) -> None:
        """Pass on whose turn it is, until cancelled."""
        while True:
            await self._began_to_wait.wait()
            self._began_to_wait.clear()
            self._say()
            while not self._new_channels.is_idle:
                await asyncio.sleep(self._timers.subscribing)
                await self._pass_on_due()
                self._say()

    async def _pass_on_due(self) -> None:
        while due := self._new_channels.due(time.monotonic(), BATCH):
            self._pass_on_all(due)
            await asyncio.sleep(0)

    def _pass_on_all(self, due: Sequence[tuple[S, Ask]]) -> None:
        # In a method of its own, whose variables go: else the last connection would stay in memory.
        for connection, ask in due:
            if connection.is_open:
                self._pass_on(connection, ask)

    def _say(self) -> None:
        now = time.monotonic()
        if not self._untold or now < self._say_at:
            return
        self._say_at = now + SAYING
        ((limit, _),) = self._untold.most_common(1)
        log.warning(
            "subscribes.delayed",
            subscribes=self._untold.total(),
            limit=limit,
            waiting=self.waiting,
            address=self._new_channels.busiest,
        )
        self._untold.clear()
