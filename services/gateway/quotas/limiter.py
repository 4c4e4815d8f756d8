"""
Counts connections on the tally, and lets newcomers in as their app's quotas allow.

This is the shell; the rules are in `quotas`.  What has already arrived is asked for together, so
that a storm of newcomers costs a few round trips.  A newcomer is told that it is connected when the
report that counts it is answered, so that whoever asks then finds it counted; it waits for a moment
at most, and while the tally is away not at all.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from libs.common.errors import Denied, Invalid
from libs.common.leases.port import LeaseLost
from libs.common.rates.limited import note_limited
from libs.common.tally.port import Outcome, Subject, Tally
from services.gateway.held_writes import Held, HeldWrites
from services.gateway.lease import Lease
from services.gateway.quotas.quotas import (
    Claim,
    Quota,
    Quotas,
    Round,
    Verdict,
    has_limit,
    subjects_of,
)
from services.gateway.timers import TIMERS, Timers

BATCH = 500  # Newcomers of one round trip.
MOST = 10_000  # Newcomers who may wait.
BACKLOG = 100_000  # Subjects that may have to be reported before newcomers are refused.

_LIMITS = {
    "app": "connections",
    "user": "connections_per_user",
    "tenant": "connections_per_tenant",
    "address": "connections_per_address",
}


class OverQuota(Denied):
    """The app, or whoever the connection counts for, has as many connections as it may."""

    code = Verdict.OVER_QUOTA.value

    def __init__(self, quotas: Iterable[Quota]) -> None:
        super().__init__(f"over quota: as many connections as {_named(quotas)} allows")


class QuotaInDoubt(Invalid):
    """It cannot be told now whether there is room: the count is away, or may be out of date."""

    code = Verdict.IN_DOUBT.value

    def __init__(self, quotas: Iterable[Quota]) -> None:
        super().__init__(f"there may soon be room below {_named(quotas)}, come back")


# What a newcomer counts for, or why it is not let in.
Admitted = tuple[Subject, ...] | OverQuota | QuotaInDoubt


class ConnectionLimiter:
    """
    Counts this gateway's connections.

    Args:
        tally: Counts the connections of all gateways.
        lease: The name under which this gateway counts.
        renewal: Seconds in which every gateway renews its lease.
        timers: How long newcomers wait, for room and for the report, and how often the tally is
            asked.
    """

    def __init__(
        self, tally: Tally, lease: Lease, *, renewal: float, timers: Timers = TIMERS
    ) -> None:
        self._tally = tally
        self._lease = lease
        self._timers = timers
        patience = renewal + timers.room_margin
        self._deadline = patience + timers.room_margin
        self._quotas = Quotas(patience)
        self._held = HeldWrites(timers.count_patience)
        self._stirred = asyncio.Event()
        self._came = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()

    @property
    def waiting(self) -> int:
        """How many wait until the tally says whether there is room."""
        return len(self._quotas)

    @property
    def unreported(self) -> int:
        """Of how many subjects the number has changed and was not reported yet."""
        return self._quotas.backlog

    @property
    def counted(self) -> int:
        """How many subjects have connections here, or had some as far as the tally knows."""
        return self._quotas.counted

    def admit(
        self, quotas: tuple[Quota, ...], newcomer: Held, *, answer: Callable[[Admitted], None]
    ) -> "Entering | None":
        """
        Count a newcomer, once there is room for it.

        Args:
            quotas: What it counts for.
            newcomer: Its socket, which is held until the tally counts it.
            answer: Takes, once, what it counts for, which must be given to `leave` in the end; or
                why it is not let in.

        Returns:
            The wait for the answer; None: it was given, as at once to all who have no limit.
        """
        if has_limit(quotas):
            entering = Entering(self, quotas, newcomer, answer=answer, patience=self._deadline)
            self.claim(quotas, entering.judged)
            return entering if entering.is_waiting else None
        subjects = subjects_of(quotas)
        self._quotas.admit(subjects)
        self._stir()
        self.hold(newcomer, subjects)
        answer(subjects)
        return None

    def hold(self, newcomer: Held, subjects: tuple[Subject, ...]) -> None:
        """Hold what a newcomer is told, unless the tally knows the number of these already."""
        if self._quotas.is_behind(subjects):
            self._held.hold(newcomer)

    def claim(self, quotas: tuple[Quota, ...], answer: Callable[[Verdict], None]) -> None:
        """
        Count a connection for more, if there is room.

        While `MOST` wait, or the tally is away and `BACKLOG` subjects behind, whoever has a limit
        is told at once that it is in doubt; without a limit nobody waits.
        """
        is_limited = has_limit(quotas)
        if is_limited and (len(self._quotas) >= MOST or self._quotas.backlog >= BACKLOG):
            answer(Verdict.IN_DOUBT)
            return
        self._quotas.claim(Claim(quotas, answer, time.monotonic()))
        if is_limited:
            self._came.set()
        self._stir()

    def leave(self, subjects: Iterable[Subject]) -> None:
        """Count a connection no longer."""
        self._quotas.release(subjects)
        self._stir()

    def restate(self) -> None:
        """Report everything anew: the tally may have lost it, or knows this gateway no longer."""
        self._quotas.restate()
        self._stir()

    def _stir(self) -> None:
        if self._quotas.is_due:
            self._settled.clear()
            self._stirred.set()

    async def settled(self) -> None:
        """Return once the tally knows everything; the caller sets the deadline."""
        await self._settled.wait()

    async def run(self) -> None:
        """Ask and report until cancelled."""
        backoff = self._timers.backoff()
        while True:
            await self._wait()
            while self._quotas.is_due:
                is_whole = await self._report_all()
                self._held.reported(is_whole=is_whole)
                if is_whole:
                    backoff.reset()
                else:
                    await self._pause(backoff.delay())
            self._held.release()  # Who went may have made up for who came.
            self._settled.set()

    async def _wait(self) -> None:
        """Wait for something to report, or until it is time to look for room again."""
        if self._quotas.are_undecided:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timers.room_retry):
                    await self._stirred.wait()
        else:
            await self._stirred.wait()
        self._stirred.clear()
        self._quotas.ask_again()

    async def _pause(self, delay: float) -> None:
        """
        Wait before the next attempt.

        A newcomer ends the wait after a moment: it may need a part of the tally that is not away.
        """
        if not len(self._quotas):
            self._came.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._came.wait()
                await asyncio.sleep(self._timers.room_moment)

    async def _report_all(self) -> bool:
        """Report what has changed until now; return whether all of it could be."""
        rounds = max(1, -(-self._quotas.backlog // BATCH))
        with self._held.reporting():
            for _ in range(rounds):
                if not await self._report(self._quotas.round(BATCH)):
                    return False
        return True

    async def _report(self, round_: Round) -> bool:
        """Report, and tell those who wait; return whether all of the tally could be reached."""
        name = self._lease.name
        answers = await self._tally.report(name, round_.counts)
        lost = [answer for answer in answers if isinstance(answer, LeaseLost)]
        if lost:
            self._lease.lose(name)
        outcomes = [answer if isinstance(answer, Outcome) else None for answer in answers]
        known = dict(zip((count.subject for count in round_.counts), outcomes, strict=True))
        for claim, verdict in self._quotas.settle(round_, outcomes, now=time.monotonic()):
            if verdict is Verdict.OVER_QUOTA:
                _note_full(claim, known)
            claim.answer(verdict)
        return None not in outcomes


class Entering:
    """
    A newcomer with a limit, until it is known whether there is room for it.

    Args:
        limiter: Asks the tally.
        quotas: What it wants to count for.
        newcomer: Its socket.
        answer: Takes what became of it; see `ConnectionLimiter.admit`.
        patience: Seconds after which it is in doubt if nothing was found out.
    """

    __slots__ = ("_answer", "_limiter", "_newcomer", "_quotas", "_timer")

    def __init__(
        self,
        limiter: ConnectionLimiter,
        quotas: tuple[Quota, ...],
        newcomer: Held,
        *,
        answer: Callable[[Admitted], None],
        patience: float,
    ) -> None:
        self._limiter = limiter
        self._quotas = quotas
        self._newcomer = newcomer
        self._answer: Callable[[Admitted], None] | None = answer
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(patience, self._take, Verdict.IN_DOUBT)

    @property
    def is_waiting(self) -> bool:
        """Whether the answer was not given yet."""
        return self._answer is not None

    def cancel(self) -> None:
        """Have nothing answered any more: the newcomer goes, and counts for nothing."""
        self._answer = None
        self._timer.cancel()

    def judged(self, verdict: Verdict) -> None:
        """Take the verdict; what is granted to one that went, or was in doubt, is given back."""
        if self._answer is not None:
            self._take(verdict)
        elif verdict is Verdict.GRANTED:
            self._limiter.leave(self._subjects)

    def _take(self, verdict: Verdict) -> None:
        answer = self._answer
        self.cancel()
        refusal = _refusal(verdict, self._quotas)
        if refusal is None:
            self._limiter.hold(self._newcomer, self._subjects)
        if answer is not None:
            answer(refusal or self._subjects)

    @property
    def _subjects(self) -> tuple[Subject, ...]:
        return subjects_of(self._quotas)


def _note_full(claim: Claim, known: Mapping[Subject, Outcome | None]) -> None:
    """Count which of a newcomer's quotas are full, as far as the tally has said."""
    for subject, limit in claim.limited:
        outcome = known[subject]
        if outcome is not None and outcome.total >= limit:
            note_limited(_LIMITS[subject.kind])


def check(verdict: Verdict, quotas: Iterable[Quota]) -> None:
    """Raise what a verdict about these quotas means to the client, unless it is let in."""
    if (refusal := _refusal(verdict, quotas)) is not None:
        raise refusal


def _refusal(verdict: Verdict, quotas: Iterable[Quota]) -> OverQuota | QuotaInDoubt | None:
    if verdict is Verdict.GRANTED:
        return None
    return OverQuota(quotas) if verdict is Verdict.OVER_QUOTA else QuotaInDoubt(quotas)


def _named(quotas: Iterable[Quota]) -> str:
    """Name those that have a limit, as the settings do."""
    kinds = [subject.kind for subject, limit in quotas if limit > 0]
    return " or ".join(f"limits.{_LIMITS[kind]}" for kind in kinds)
