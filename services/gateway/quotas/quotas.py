"""
How many connections there may be: of an app, a user, a tenant, an address.

Pure.  Quotas hold over all gateways, so what is admitted here is known here, and what may be
admitted is asked of the tally: a `Round` says what to report, and its answers decide about those
who wait.  Connections that are admitted are counted whatever the limit says now; only newcomers are
refused.

An example.  Of an app that may have 3 connections one is here, and one is at another gateway.  Ann
and Bob come here.

- `Quotas.round` takes both claims.  For Ann it asks for 2 (one more than are here), for Bob for 3:
  the round reports "3, if the limit of 3 allows it".
- The tally has room for one more and not for two: it answers that this gateway holds 2 of it now,
  of 3 in all.
- `Quotas.settle` goes through the claims in order.  Ann: 2 are held and 1 is admitted, so there is
  room; she is granted, and 2 are admitted.  Bob: 2 are held and 2 admitted, so he lacks room.
- As all 3 are taken Bob is over quota, if every other gateway that counts has renewed its lease
  since he came.  If one has not, it may be dead and its connection gone: he is undecided, is asked
  for again, and is in doubt (4100) once his patience is over.
- Where what is held is not what is admitted, as when a claim got room in one of its quotas and not
  in another, the subject is marked, and the next round reports it as it is.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from libs.common.apps.app import App
from libs.common.tally.port import Count, Outcome, Subject

MOST_SHARED = 4096  # Addresses whose connections have in common what they count for.


class Verdict(Enum):
    """What becomes of a newcomer; the value is the code of its Close frame, 0 if it is let in."""

    GRANTED = 0
    OVER_QUOTA = 4004  # Pusher, "Error codes": clients give up.
    # docs/protocol.md, "Error codes": perhaps a dead gateway's connections still count; clients
    # return.
    IN_DOUBT = 4100


class Quota(NamedTuple):
    """What a connection counts for, and how many may; 0 or less: any number."""

    subject: Subject
    limit: int


@dataclass(frozen=True, slots=True)
class Claim:
    """
    A connection that wants to count for something.

    Attributes:
        quotas: What it wants to count for: for all of it, or it is not let in.
        answer: Takes the verdict.
        came_at: When the newcomer came, in monotonic seconds.
    """

    quotas: tuple[Quota, ...]
    answer: Callable[[Verdict], None]
    came_at: float = 0.0

    @property
    def limited(self) -> tuple[Quota, ...]:
        """Those of the quotas that have a limit."""
        return tuple(quota for quota in self.quotas if quota.limit > 0)


@dataclass(frozen=True, slots=True)
class Round:
    """
    One report to the tally.

    Attributes:
        counts: What to report, in order; the last of a subject says what it has.
        claims: The newcomers that wait for the answer.
        restated: How often everything had been reported anew when this was made.  If that has
            happened again when the answer comes, the answer may be from before the loss.
    """

    counts: tuple[Count, ...]
    claims: tuple[Claim, ...]
    restated: int


class Quotas:
    """
    The connections of this gateway, by what they count for.

    The connections of an app are always reported; those of a user, a tenant or an address where
    they have a limit, and from then on until there are none.

    A gateway that has just died still counts, and its clients are the first to come here.  So no
    newcomer is sent away for good before every other gateway that counts has renewed its lease
    since the newcomer came.

    Args:
        patience: Seconds that a newcomer waits for that; longer than gateways take to renew.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._admitted: dict[Subject, int] = {}
        self._waiting: list[Claim] = []
        self._undecided: list[Claim] = []  # Who found no room, for now.
        self._stated: set[Subject] = set()  # Those that the tally knows of.
        self._changed: dict[Subject, None] = {}  # Oldest first.
        self._restated = 0

    def __len__(self) -> int:
        """Tell how many wait."""
        return len(self._waiting) + len(self._undecided)

    @property
    def are_undecided(self) -> bool:
        """Whether some must be asked for again, after a while."""
        return bool(self._undecided)

    def ask_again(self) -> None:
        """Ask for those again who are undecided: they came first."""
        self._waiting = self._undecided + self._waiting
        self._undecided = []

    @property
    def backlog(self) -> int:
        """How many subjects changed and were not reported yet."""
        return len(self._changed)

    def is_behind(self, subjects: Iterable[Subject]) -> bool:
        """Tell whether the number of one of these changed and was not reported yet."""
        return not self._changed.keys().isdisjoint(subjects)

    @property
    def counted(self) -> int:
        """How many subjects have connections here, or had some as far as the tally knows."""
        return len(self._admitted.keys() | self._stated)

    @property
    def is_due(self) -> bool:
        """Whether there is something to report."""
        return bool(self._waiting or self._changed)

    def claim(self, claim: Claim) -> None:
        """Take a newcomer; one without limits is granted at once."""
        if has_limit(claim.quotas):
            self._waiting.append(claim)
        else:
            self.admit([quota.subject for quota in claim.quotas])
            claim.answer(Verdict.GRANTED)

    def admit(self, subjects: Iterable[Subject]) -> None:
        """A connection counts for these from now on."""
        for subject in subjects:
            self._admitted[subject] = self._admitted.get(subject, 0) + 1
            self._note(subject)

    def release(self, subjects: Iterable[Subject]) -> None:
        """A connection that was admitted counts no longer."""
        for subject in subjects:
            left = self._admitted.pop(subject, 0) - 1
            if left > 0:
                self._admitted[subject] = left
            self._note(subject)

    def restate(self) -> None:
        """Report everything anew: the tally may have lost it, or knows us no longer."""
        self._restated += 1
        self._mark(subject for subject in self._stated if subject in self._admitted)
        self._stated.intersection_update(self._admitted)

    def round(self, most: int) -> Round:
        """Take what there is to report: up to ``most`` changes, and as many of those who wait."""
        claims, self._waiting = self._waiting[:most], self._waiting[most:]
        asked = self._asked(claims)
        changed = dict.fromkeys(islice(self._changed, most))
        # A limit may be new: the tally then learns first of the connections that were here before.
        unknown = [c.subject for c in asked if c.subject not in self._stated]
        changed |= dict.fromkeys(subject for subject in unknown if subject in self._admitted)
        stated = [Count(subject, self._admitted.get(subject, 0)) for subject in changed]
        self._stated.update(count.subject for count in (*stated, *asked))
        for subject in changed:
            self._changed.pop(subject, None)
        return Round((*stated, *asked), tuple(claims), self._restated)

    def _asked(self, claims: Sequence[Claim]) -> list[Count]:
        """Ask for room for those who can get it."""
        asked: dict[Subject, Count] = {}
        for claim in claims:
            for subject, limit in claim.limited:
                number = self._admitted.get(subject, 0)
                if subject in asked:
                    number = asked[subject].number
                # Also where it asks for no more: the answer says whether the quota is full.
                asked[subject] = Count(subject, number, limit)
            # Room is held from when it is asked for.  A claim that one of its quotas will refuse
            # asks for none in the others, else that room would be missing at other gateways until
            # the next round.
            if all(asked[subject].number < limit for subject, limit in claim.limited):
                for subject, limit in claim.limited:
                    asked[subject] = Count(subject, asked[subject].number + 1, limit)
        return list(asked.values())

    def settle(
        self, round_: Round, outcomes: Sequence[Outcome | None], *, now: float
    ) -> list[tuple[Claim, Verdict]]:
        """
        Decide about those who waited, in the order of their coming.

        Args:
            round_: The counts that were reported.
            outcomes: The answers, in order; None where the tally could not be asked.
            now: Monotonic seconds.

        Returns:
            The verdicts.  A newcomer that could not be judged gets `Verdict.IN_DOUBT`, and is to
            return; one that is not among them waits on.
        """
        known: dict[Subject, Outcome | None] = {}
        for count, outcome in zip(round_.counts, outcomes, strict=True):
            known[count.subject] = outcome
            if outcome is None:
                self._mark([count.subject])
        verdicts: list[tuple[Claim, Verdict]] = []
        for claim in round_.claims:
            verdict = self._judge(claim, known, now)
            if verdict is None:
                self._undecided.append(claim)
            else:
                verdicts.append((claim, verdict))
        for subject, outcome in known.items():
            if outcome is not None:
                self._compare(subject, outcome.held)
        if round_.restated != self._restated:
            # The tally may have lost these numbers after it answered.
            self._mark(known)
        return verdicts

    def _compare(self, subject: Subject, held: int) -> None:
        """Report again what is not as the tally has it; forget what is nothing on both sides."""
        admitted = self._admitted.get(subject, 0)
        if held != admitted:
            self._mark([subject])
            return
        self._changed.pop(subject, None)
        if admitted == 0:
            self._stated.discard(subject)

    def _judge(
        self, claim: Claim, known: dict[Subject, Outcome | None], now: float
    ) -> Verdict | None:
        waited = now - claim.came_at
        lacking = [
            (known[subject], limit)
            for subject, limit in claim.limited
            if not self._has_room(subject, known[subject])
        ]
        if any(_is_full(outcome, limit, waited) for outcome, limit in lacking):
            return Verdict.OVER_QUOTA
        if any(outcome is None for outcome, _ in lacking):
            return Verdict.IN_DOUBT
        if lacking:
            return Verdict.IN_DOUBT if waited >= self._patience else None
        self.admit(quota.subject for quota in claim.quotas)
        return Verdict.GRANTED

    def _has_room(self, subject: Subject, outcome: Outcome | None) -> bool:
        return outcome is not None and outcome.held > self._admitted.get(subject, 0)

    def _note(self, subject: Subject) -> None:
        if subject.kind == "app" or subject in self._stated:
            self._changed[subject] = None

    def _mark(self, subjects: Iterable[Subject]) -> None:
        """Have subjects reported, in the order in which they first changed."""
        self._changed.update(dict.fromkeys(subjects))


def _is_full(outcome: Outcome | None, limit: int, waited: float) -> bool:
    """Tell whether there is no room for sure."""
    # Not while a gateway has been silent for longer than the newcomer has waited: it may be dead.
    return outcome is not None and outcome.total >= limit and outcome.silence <= waited


def has_limit(quotas: Iterable[Quota]) -> bool:
    """Tell whether one of these has a limit: else nobody need be asked."""
    for _, limit in quotas:  # noqa: SIM110 - each connection comes by; `any` takes thrice as long.
        if limit > 0:
            return True
    return False


@lru_cache
def _app(app_id: str) -> Subject:
    """Name an app; one object serves all its connections."""
    return Subject("app", app_id)


@lru_cache(maxsize=MOST_SHARED)
def _address(app_id: str, address: str) -> Subject:
    """Name an address; one object serves all its connections, unless there are very many others."""
    return Subject("address", app_id, address)


def of_connection(app: App, address: str) -> tuple[Quota, ...]:
    """Tell what a connection of an app counts for from its beginning."""
    return (
        Quota(_app(app.id), app.limits.connections),
        Quota(_address(app.id, address), app.limits.connections_per_address),
    )


@lru_cache(maxsize=MOST_SHARED)
def subjects_of(quotas: tuple[Quota, ...]) -> tuple[Subject, ...]:
    """Tell what a connection counts for; one object serves all for which it is the same."""
    return tuple([quota.subject for quota in quotas])


def address_of(subjects: tuple[Subject, ...]) -> str:
    """Return the address that a connection counts for; empty: for none."""
    return subjects[1].name if subjects else ""  # See `of_connection`.


def of_user(app: App, user_id: str, tenant: str) -> tuple[Quota, ...]:
    """Tell what a connection counts for once it is signed in; an empty tenant is none."""
    user = Quota(Subject("user", app.id, user_id), app.limits.connections_per_user)
    if not tenant:
        return (user,)
    return user, Quota(Subject("tenant", app.id, tenant), app.limits.connections_per_tenant)
