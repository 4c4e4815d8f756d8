"""
Decisions: the policies, and the memberships that they ask for.

An answer about a membership counts for a while, and is forgotten when a change is heard of; all are forgotten when
changes may have been missed.  While the memberships are away, what counts still decides, and then nobody is let in.
Whoever asks the same at the same time waits for one question.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from libs.common.belonging import Change, Membership, Missed, Removed
from libs.common.errors import Unavailable
from libs.common.memberships import Memberships
from libs.common.policies import Decision, Policies
from services.auth.answers import Answers
from services.auth.identity import User
from services.auth.removals import Removals
from services.auth.settings import MembershipSettings

POLL = 60.0  # Seconds that one wait for changes takes at most.


@dataclass(slots=True)
class _Question:
    """
    A question that was put, and who waits for its answer waits for `done`.

    Attributes:
        answer: None: nobody got one.
        error: Why.
        is_outdated: Whether a change was heard of since: the answer may be that of before.
    """

    answer: bool | None = None
    error: Unavailable | None = None
    is_outdated: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Decisions:
    """
    Decides who may join what.

    Args:
        policies: May be put in another's place at any time, with `replace`.
        memberships: Who belongs to what.
        settings: How long an answer counts, and how long one is waited for.
        removals: Told of memberships that ended.
        clock: Monotonic seconds.
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
        self._settings = settings
        self._removals = removals
        self._clock = clock
        self._answers = Answers(ttl=settings.cache, size=settings.cache_entries)
        self._questions: dict[Membership, _Question] = {}

    def replace(self, policies: Policies) -> None:
        """Put other policies in the place of all."""
        self._policies = policies
        self._removals.replace(policies)

    async def decide(self, app: str, channel: str, user: User) -> Decision:
        """
        Decide whether a user may join a channel.

        Args:
            app: The app's id.
            channel: A name that has been checked.
            user: Who wants to.

        Raises:
            Unavailable: It hangs on a membership, and nobody can tell.
        """
        outcome = self._policies.decide(app, channel, user)
        if isinstance(outcome, Decision):
            return outcome
        membership = Membership(app, user.id, outcome.group)
        return outcome.decided(is_member=await self._is_member(membership))

    async def run(self) -> None:
        """Hear of changes, and close what ended memberships had opened, until cancelled."""
        async with self._memberships.changes() as listener, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._removals.run())
            while True:
                for change in await listener.receive(POLL):
                    self.heed(change)
                    if isinstance(change, Removed):
                        self._removals.add(change.membership)

    def heed(self, change: Change) -> None:
        """Forget what a change has made doubtful."""
        if isinstance(change, Missed):
            self._answers.clear()
            doubtful, self._questions = list(self._questions.values()), {}
        else:
            self._answers.drop(change.membership)
            question = self._questions.pop(change.membership, None)
            doubtful = [question] if question else []
        for question in doubtful:
            question.is_outdated = True

    async def _is_member(self, membership: Membership) -> bool:
        known = self._answers.get(membership, now=self._clock())
        if known is not None:
            return known
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._ask(membership)
        except TimeoutError as error:
            raise Unavailable("memberships") from error

    async def _ask(self, membership: Membership) -> bool:
        """Ask until there is an answer that no change has overtaken; the caller sets the deadline."""
        while True:
            question = self._questions.get(membership)
            if question is None:
                question = await self._put(membership)
            else:
                await question.done.wait()
            if question.is_outdated:
                continue
            if question.error is not None:
                raise Unavailable("memberships") from question.error
            if question.answer is not None:  # Else who asked was cancelled.
                return question.answer

    async def _put(self, membership: Membership) -> _Question:
        question = self._questions[membership] = _Question()
        now = self._clock()
        try:
            question.answer = await self._memberships.has(membership)
            if not question.is_outdated:
                self._answers.keep(membership, is_member=question.answer, now=now)
        except Unavailable as error:
            question.error = error
        finally:
            if self._questions.get(membership) is question:
                del self._questions[membership]
            question.done.set()
        return question
