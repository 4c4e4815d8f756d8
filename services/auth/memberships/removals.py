"""
Memberships that ended: every gateway is told to close what they had opened.

Each auth process hears of each removal and sends the command, so that no single process is needed;
a command that is carried out twice does nothing.  A membership that is there again, because its
rows were written anew, closes nothing.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence

import structlog

from libs.common.control.commands import Command
from libs.common.control.port import Control
from libs.common.errors import Unavailable
from libs.common.fairness.fair_queue import FairQueue
from libs.common.memberships.membership import Membership, Removed
from libs.common.memberships.port import Memberships
from libs.common.policies.policies import Policies
from libs.common.retry import Backoff
from services.auth.memberships.expulsion import Terms, expel_command, opened

MAX_WAITING = 100_000  # Removals, as gateways keep apart; see `FairQueue` for which is given up.
AT_ONCE = 20  # Removals that are worked on together.
TIMEOUT = 2.0  # Seconds in which memberships, or control, must have answered.

log = structlog.get_logger()


class Removals:
    """
    Removals whose commands to gateways are still to be sent.

    Args:
        policies: What memberships open.
        memberships: Tell whether a membership is still gone.
        control: Takes the commands to gateways.
        terms: How long what was true before a removal goes on to count; asked for each time.
        clock: UTC epoch seconds.
    """

    def __init__(
        self,
        policies: Policies,
        memberships: Memberships,
        *,
        control: Control,
        terms: Callable[[], Terms],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._policies = policies
        self._memberships = memberships
        self._control = control
        self._terms = terms
        self._clock = clock
        self._waiting: FairQueue[Removed] = FairQueue(MAX_WAITING)
        self._come = asyncio.Event()

    def replace(self, policies: Policies) -> None:
        """Put other policies in the place of all."""
        self._policies = policies

    def add(self, removed: Removed) -> None:
        """Have a removal wait; beyond `MAX_WAITING` one is given up, and the log says so."""
        given_up = self._waiting.put(removed.membership.app, removed)
        if given_up is not None:
            _give_up(given_up[1].membership, f"more than {MAX_WAITING} wait")
        self._come.set()

    async def run(self) -> None:
        """Send commands until cancelled."""
        while True:
            await self._come.wait()
            self._come.clear()
            while self._waiting:
                count = min(AT_ONCE, len(self._waiting))
                await self._close([self._waiting.pop() for _ in range(count)])

    async def _close(self, several: Sequence[Removed]) -> None:
        channels = {
            each: opened(self._policies, each.membership.app, each.membership.group)
            for each in several
        }
        doubtful = [each for each in several if channels[each]]
        there = await self._there({each.membership for each in doubtful})
        async with asyncio.TaskGroup() as tasks:
            for removed in doubtful:
                if removed.membership not in there:
                    command = expel_command(
                        removed, channels[removed], terms=self._terms(), now=self._clock()
                    )
                    tasks.create_task(self._send(command, removed.membership))

    async def _send(self, command: Command, membership: Membership) -> None:
        backoff = Backoff()
        while command.expires_at > self._clock():
            try:
                async with asyncio.timeout(TIMEOUT):
                    await self._control.send(command)
            except (Unavailable, TimeoutError):
                await asyncio.sleep(backoff.delay())
            else:
                log.info(
                    "expulsion.sent",
                    app=membership.app,
                    user=membership.user,
                    group=membership.group,
                )
                return
        _give_up(membership, "control was away until the removal had expired")

    async def _there(self, memberships: Collection[Membership]) -> set[Membership]:
        """Tell which came back at once; where nobody can tell, the removal is believed."""
        there: set[Membership] = set()
        left = list(memberships)
        try:
            while left:
                async with asyncio.timeout(TIMEOUT):
                    answers = await self._memberships.ask(left[: self._memberships.at_once])
                there |= {each for each, is_there in answers.items() if is_there}
                left = [each for each in left if each not in answers]
        except (Unavailable, TimeoutError):
            pass
        return there


def _give_up(membership: Membership, reason: str) -> None:
    log.error("removals.given_up", reason=reason, app=membership.app, group=membership.group)
