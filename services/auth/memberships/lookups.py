"""
Lookups of memberships: answered from the cache, or else asked together.

What waits is asked in one call as soon as one may begin, so that a storm of lookups is a few calls,
and nobody waits for others to come.  The calls are this service's own: whoever asks may go away.
An answer counts for a while, and is forgotten when a change is heard of; one that a change has
overtaken on its way is asked for again.  When a call fails, all who wait are told: they would ask
the same backend.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice

import structlog

from libs.common.errors import Unavailable
from libs.common.memberships.membership import Change, Membership, Missed
from libs.common.memberships.port import Memberships
from services.auth.memberships.cache import MembershipCache
from services.auth.settings import MembershipSettings

BACKEND = "memberships"
CALLS = 2  # Under way at once.  Of a pool's connections one listens, and others write.
# Questions that wait, or are on their way: two storms of 5,000 users with 5 channels each.
MOST = 50_000
MOST_OF_USER = 200  # Questions of one user among them: two requests of a hundred channels.

log = structlog.get_logger()


class TooManyQuestions(Unavailable):
    """More questions wait than memberships could answer in time."""

    def __init__(self, most: int) -> None:
        super().__init__(BACKEND)
        self.args = (f"more than {most} questions about memberships wait",)


@dataclass(slots=True)
class _Question:
    """
    A question; whoever wants its answer waits for `done`.

    Attributes:
        askers: How many wait for the answer.
        answer: Whether the user is a member; None: nobody could tell.
        error: Why nobody could tell.
        is_outdated: Whether a change was heard of while it was on its way: the answer may be that
            of before.
    """

    askers: int = 0
    answer: bool | None = None
    error: Exception | None = None
    is_outdated: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)


_Batch = dict[Membership, _Question]


class MembershipLookups:
    """
    Tells who belongs to what: from its cache, or by asking the memberships in batches.

    Args:
        memberships: Where those are asked for that the cache does not have.
        settings: How long an answer counts, how many are kept, and how long one is waited for.
        clock: Monotonic seconds.
        most: Questions that may wait, or be on their way.
        most_of_user: Questions of one user among them.

    Attributes:
        counts: How often a membership was ``remembered``, and how often one was ``asked`` for.
    """

    def __init__(
        self,
        memberships: Memberships,
        settings: MembershipSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        most: int = MOST,
        most_of_user: int = MOST_OF_USER,
    ) -> None:
        self._memberships = memberships
        self._settings = settings
        self._clock = clock
        self._most = most
        self._most_of_user = most_of_user
        self._cache = MembershipCache(ttl=settings.cache, size=settings.cache_entries)
        self._waiting: _Batch = {}  # In the order in which they came.
        self._asked: _Batch = {}
        self._users: Counter[tuple[str, str]] = Counter()  # Questions of each app's user.
        self._come = asyncio.Event()
        self.counts = Counter(remembered=0, asked=0)

    @property
    def questions(self) -> int:
        """How many questions wait, or are on their way."""
        return len(self._waiting) + len(self._asked)

    @property
    def users(self) -> int:
        """How many users have questions that wait, or are on their way."""
        return len(self._users)

    async def is_member(self, membership: Membership) -> bool:
        """
        Tell whether a user belongs to a group.

        Raises:
            Unavailable: Nobody can tell, or not within `MembershipSettings.max_wait`.
            TooManyQuestions: Others wait already.
        """
        known = self._cache.get(membership, now=self._clock())
        self.counts["asked" if known is None else "remembered"] += 1
        if known is not None:
            return known
        question = self._question(membership)
        await self._wait(membership, question)
        if question.answer is None:
            raise Unavailable(BACKEND) from question.error
        return question.answer

    def heed(self, change: Change) -> None:
        """Forget what a change has made doubtful."""
        if isinstance(change, Missed):
            self._cache.clear()
            for question in self._asked.values():
                question.is_outdated = True
            return
        self._cache.drop(change.membership)
        if change.membership in self._asked:
            self._asked[change.membership].is_outdated = True

    async def run(self) -> None:
        """Ask until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(CALLS):
                    tasks.create_task(self._keep_asking())
        finally:
            self._fail(self._asked | self._waiting, None)

    def _question(self, membership: Membership) -> _Question:
        question = self._asked.get(membership) or self._waiting.get(membership)
        if question is None:
            self._check_room(membership)
            question = self._waiting[membership] = _Question()
            self._users[membership[:2]] += 1
            self._come.set()
        return question

    def _check_room(self, membership: Membership) -> None:
        if self.questions >= self._most:
            raise TooManyQuestions(self._most)
        if self._users[membership[:2]] >= self._most_of_user:
            raise TooManyQuestions(self._most_of_user)

    async def _wait(self, membership: Membership, question: _Question) -> None:
        question.askers += 1
        try:
            async with asyncio.timeout(self._settings.max_wait):
                await question.done.wait()
        except TimeoutError as error:
            raise Unavailable(BACKEND) from error
        finally:
            question.askers -= 1
            if not question.askers and self._waiting.get(membership) is question:
                self._end(membership, question)

    async def _keep_asking(self) -> None:
        while True:
            await self._come.wait()
            batch = dict(islice(self._waiting.items(), self._memberships.at_once))
            for membership in batch:
                del self._waiting[membership]
            if not self._waiting:
                self._come.clear()
            if batch:
                await self._ask(batch)

    async def _ask(self, batch: _Batch) -> None:
        self._asked |= batch
        now = self._clock()
        timeout = self._settings.timeout
        # Not when the call has ended: to give one up takes a while where a backend fell silent.
        overdue = asyncio.get_running_loop().call_later(timeout, self._overdue, batch)
        try:
            async with asyncio.timeout(timeout):
                answers = await self._memberships.ask(list(batch))
        except (Unavailable, TimeoutError) as error:
            self._fail(batch | self._waiting, error)
        except Exception as error:  # The border of a call: what we did wrong in one ends no other.
            log.exception("memberships.failed", lookups=len(batch))
            self._fail(batch, error)
        else:
            self._answered(batch, answers, now)
        finally:
            overdue.cancel()

    def _overdue(self, batch: _Batch) -> None:
        self._fail(batch | self._waiting, TimeoutError())

    def _answered(
        self, batch: _Batch, answers: Mapping[Membership, bool | None], now: float
    ) -> None:
        again: _Batch = {}
        for membership, question in batch.items():
            if question.done.is_set():  # It was overdue; whether a change overtook it nobody noted.
                continue
            if question.is_outdated or membership not in answers:
                again[membership] = question
                continue
            question.answer = answer = answers[membership]
            if answer is not None:
                self._cache.keep(membership, is_member=answer, now=now)
            self._end(membership, question)
        self._ask_again(again)

    def _ask_again(self, batch: _Batch) -> None:
        """Have questions wait before all others, if still somebody wants to know."""
        wanted: _Batch = {}
        for membership, question in batch.items():
            if not question.askers:
                self._end(membership, question)
                continue
            del self._asked[membership]
            question.is_outdated = False
            wanted[membership] = question
        if wanted:
            self._waiting = wanted | self._waiting
            self._come.set()

    def _fail(self, batch: _Batch, error: Exception | None) -> None:
        for membership, question in batch.items():
            question.error = error
            self._end(membership, question)

    def _end(self, membership: Membership, question: _Question) -> None:
        for place in (self._asked, self._waiting):
            if place.get(membership) is question:
                del place[membership]
                self._count_less(membership[:2])
        question.done.set()

    def _count_less(self, user: tuple[str, str]) -> None:
        self._users[user] -= 1
        if not self._users[user]:
            del self._users[user]
