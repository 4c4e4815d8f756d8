"""
Decisions: the policies, and the memberships that they ask for.

While the memberships are away, what is remembered decides as long as it counts, and then nobody is
let in.
"""

import asyncio
import time
from collections.abc import Callable

from libs.common.memberships.membership import Change, Membership, Removed
from libs.common.memberships.port import Memberships
from libs.common.policies.policies import Decision, Policies
from services.auth.identity.bearer_tokens import Identity
from services.auth.memberships.lookups import MembershipLookups
from services.auth.memberships.removals import Removals
from services.auth.settings import MembershipSettings

POLL = 60.0  # Seconds that one wait for changes takes at most.


class Decisions:
    """
    Decides who may join what.

    Args:
        policies: May be put in another's place at any time, with `replace`.
        memberships: Who belongs to what.
        settings: How long an answer counts, and how long one is waited for.
        removals: Told of memberships that ended.
        clock: Monotonic seconds.

    Attributes:
        lookups: Who belongs to what, asked or remembered.
    """

    def __init__(
        self,
        policies: Policies,
        memberships: Memberships,
        *,
        settings: MembershipSettings,
        removals: Removals,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policies = policies
        self._memberships = memberships
        self.lookups = MembershipLookups(memberships, settings, clock=clock)
        self._removals = removals

    def replace(self, policies: Policies) -> None:
        """Put other policies in the place of all."""
        self._policies = policies
        self._removals.replace(policies)

    async def decide(self, app: str, channel: str, user: Identity) -> Decision:
        """
        Decide whether a user may join a channel.

        Args:
            app: The app's id.
            channel: A name that has been checked.
            user: Who wants to.

        Raises:
            Unavailable: It hangs on a membership, and nobody can tell; see
                `MembershipLookups.is_member`.
        """
        outcome = self._policies.decide(app, channel, user)
        if isinstance(outcome, Decision):
            return outcome
        membership = Membership(app, user.id, outcome.group)
        return outcome.decided(is_member=await self.lookups.is_member(membership))

    def hint(self, app: str, channel: str, user: Identity) -> str:
        """See `libs.common.policies.policies.Evidence.hint`, of somebody who was refused."""
        evidence = self._policies.evidence(app, channel, user)
        return evidence.hint if evidence else ""

    async def run(self) -> None:
        """Ask, hear of changes, and close what ended memberships had opened, until cancelled."""
        async with self._memberships.changes() as listener, asyncio.TaskGroup() as tasks:
            tasks.create_task(self.lookups.run())
            tasks.create_task(self._removals.run())
            while True:
                for change in await listener.receive(POLL):
                    self.heed(change)
                    if isinstance(change, Removed):
                        self._removals.add(change)

    def heed(self, change: Change) -> None:
        """Forget what a change has made doubtful."""
        self.lookups.heed(change)
