"""How many connections there may be: what is asked of the tally, and what its answers mean."""

import math

import msgspec
import pytest

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.tally.port import Count, Outcome, Subject
from services.gateway.quotas.quotas import (
    Claim,
    Quota,
    Quotas,
    Round,
    Verdict,
    of_connection,
    of_user,
)

WHOLE, ANN, BOB, ACME = (
    Subject("app", "1"),
    Subject("user", "1", "ann"),
    Subject("user", "1", "bob"),
    Subject("tenant", "1", "acme"),
)


def claim(*quotas: tuple[Subject, int], told: list[Verdict] | None = None) -> Claim:
    answer = (lambda _: None) if told is None else told.append
    return Claim(tuple(Quota(subject, limit) for subject, limit in quotas), answer)


def verdicts(quotas: Quotas, round_: Round, *outcomes: Outcome | None) -> list[Verdict]:
    return [verdict for _, verdict in quotas.settle(round_, outcomes, now=0.0)]


def admit(quotas: Quotas, *claimed: tuple[Subject, int]) -> None:
    """Have one admitted whom the tally has room for."""
    quotas.claim(claim(*claimed))
    round_ = quotas.round(9)
    answers = [Outcome(count.number, count.number) for count in round_.counts]
    assert verdicts(quotas, round_, *answers) == [Verdict.GRANTED]


class TestClaim:
    """Who is let in at once, and who waits."""

    def test_without_limits(self) -> None:
        """
        Who has no limit is let in at once, and the app's number is reported afterwards; others are not.
        """
        quotas, told = Quotas(patience=5.0), list[Verdict]()

        quotas.claim(claim((WHOLE, 0), (ANN, -1), told=told))

        assert told == [Verdict.GRANTED]
        assert len(quotas) == 0
        assert quotas.round(9) == Round((Count(WHOLE, 1),), (), 0)

    def test_with_a_limit(self) -> None:
        """
        Who has a limit waits for the tally, and is asked for beside those who are here.
        """
        quotas = Quotas(patience=5.0)
        quotas.claim(claim((WHOLE, 0)))
        newcomer = claim((WHOLE, 5))
        quotas.claim(newcomer)

        assert len(quotas) == 1
        assert quotas.round(9) == Round((Count(WHOLE, 1), Count(WHOLE, 2, 5)), (newcomer,), 0)
        assert not quotas.is_due

    def test_in_handfuls(self) -> None:
        """
        A round takes so many, in the order of their coming; the others wait for the next.
        """
        quotas = Quotas(patience=5.0)
        first, second, third = (claim((WHOLE, 5)) for _ in range(3))
        for each in (first, second, third):
            quotas.claim(each)

        assert quotas.round(2).claims == (first, second)
        assert quotas.is_due
        assert quotas.round(2).claims == (third,)

    def test_new_limit(self) -> None:
        """
        Where a limit is new, those who were here before count too, whatever the limit.
        """
        quotas = Quotas(patience=5.0)
        for _ in range(3):
            quotas.claim(claim((ANN, 0)))

        quotas.claim(claim((ANN, 2)))

        assert quotas.round(9).counts == (Count(ANN, 3), Count(ANN, 3, 2))

    def test_behind(self) -> None:
        """
        Behind is who changed since the last round began.
        """
        quotas = Quotas(patience=5.0)
        assert not quotas.is_behind([WHOLE])

        quotas.claim(claim((WHOLE, 0)))
        assert quotas.is_behind([ANN, WHOLE])
        assert not quotas.is_behind([ANN])
        quotas.round(9)
        assert not quotas.is_behind([WHOLE])


class TestSettle:
    """What the tally's answers mean to those who wait."""

    def test_in_order(self) -> None:
        """
        Where there is not room for all, those who came first are let in.
        """
        quotas = Quotas(patience=5.0)
        claims = [claim((WHOLE, 2)) for _ in range(4)]
        for each in claims:
            quotas.claim(each)
        round_ = quotas.round(9)

        settled = quotas.settle(round_, [Outcome(2, 2)], now=0.0)

        assert [each for each, _ in settled] == claims
        assert [verdict.value for _, verdict in settled] == [0, 0, 4004, 4004]
        assert not quotas.is_due

    @pytest.mark.parametrize(
        "waited, silence, verdict",
        [
            (0.0, 0.0, Verdict.OVER_QUOTA),  # Nobody else is counted.
            (1.0, 1.5, None),  # Another that is counted may have died since it renewed.
            (4.9, math.inf, None),
            (2.0, 1.5, Verdict.OVER_QUOTA),  # All others have renewed since the newcomer came.
            (5.0, 6.0, Verdict.IN_DOUBT),
            (5.0, math.inf, Verdict.IN_DOUBT),
        ],
    )
    def test_in_doubt(self, waited: float, silence: float, verdict: Verdict | None) -> None:
        """
        Nobody is sent away for good while somebody is counted who may have died before.
        """
        quotas = Quotas(patience=5.0)
        quotas.claim(claim((WHOLE, 2)))

        settled = quotas.settle(quotas.round(9), [Outcome(0, 2, silence)], now=waited)

        assert [given for _, given in settled] == ([verdict] if verdict else [])
        assert quotas.are_undecided == (verdict is None)

    def test_asked_again(self) -> None:
        """
        Who is undecided is asked for again, before those who came later.
        """
        quotas = Quotas(patience=5.0)
        first, later = claim((WHOLE, 2)), claim((WHOLE, 2))
        quotas.claim(first)
        quotas.settle(quotas.round(9), [Outcome(0, 2, math.inf)], now=0.0)
        quotas.claim(later)

        quotas.ask_again()
        round_ = quotas.round(9)
        settled = quotas.settle(round_, [Outcome(1, 2, math.inf)] * len(round_.counts), now=1.0)

        assert settled == [(first, Verdict.GRANTED)]
        assert len(quotas) == 1

    def test_tally_away(self) -> None:
        """
        Who cannot be judged is to return, and what the tally may have taken is reported again.
        """
        quotas = Quotas(patience=5.0)
        quotas.claim(claim((WHOLE, 2)))

        assert verdicts(quotas, quotas.round(9), None) == [Verdict.IN_DOUBT]

        assert quotas.round(9).counts == (Count(WHOLE, 0),)

    def test_away_in_part(self) -> None:
        """
        Who needs no part that is away is judged as ever.
        """
        quotas = Quotas(patience=5.0)
        quotas.claim(claim((ANN, 2)))
        quotas.claim(claim((BOB, 2)))
        round_ = quotas.round(9)
        answers = [None if c.subject == ANN else Outcome(c.number, c.number) for c in round_.counts]

        assert verdicts(quotas, round_, *answers) == [Verdict.IN_DOUBT, Verdict.GRANTED]

    def test_all_or_nothing(self) -> None:
        """
        Who is refused by one quota takes nothing of another: what was held for it is given back.
        """
        quotas = Quotas(patience=5.0)
        quotas.claim(claim((ANN, 5), (ACME, 5)))
        round_ = quotas.round(9)
        answers = [
            Outcome(0, 5) if c.subject == ACME else Outcome(c.number, c.number)
            for c in round_.counts
        ]

        assert verdicts(quotas, round_, *answers) == [Verdict.OVER_QUOTA]

        assert quotas.round(9).counts == (Count(ANN, 0),)

    def test_hopeless_takes_no_room(self) -> None:
        """
        A crowd that exceeds its own quota does not hold the room of others while it is being refused.
        """
        quotas = Quotas(patience=5.0)
        for _ in range(100):
            quotas.claim(claim((WHOLE, 50), (ANN, 3)))
        round_ = quotas.round(500)

        assert Count(WHOLE, 3, 50) in round_.counts
        assert Count(ANN, 3, 3) in round_.counts
        answers = [Outcome(count.number, count.number) for count in round_.counts]
        assert verdicts(quotas, round_, *answers) == 3 * [Verdict.GRANTED] + 97 * [
            Verdict.OVER_QUOTA
        ]

    def test_not_asked_for(self) -> None:
        """
        Where room was not asked for, as another seemed to take it, it is asked for again.
        """
        quotas = Quotas(patience=5.0)
        quotas.claim(claim((ANN, 1), (ACME, 1)))
        quotas.claim(claim((BOB, 1), (ACME, 1)))
        round_ = quotas.round(9)
        answers = [
            Outcome(0, 1) if c.subject == ANN else Outcome(c.number, c.number)
            for c in round_.counts
        ]

        assert verdicts(quotas, round_, *answers) == [Verdict.OVER_QUOTA]
        assert quotas.are_undecided

    def test_lowered(self) -> None:
        """
        A limit that was lowered ends nobody, and lets nobody in.
        """
        quotas = Quotas(patience=5.0)
        for _ in range(3):
            admit(quotas, (WHOLE, 5))

        quotas.claim(claim((WHOLE, 1)))
        round_ = quotas.round(9)

        assert round_.counts == (Count(WHOLE, 3, 1),)
        assert verdicts(quotas, round_, Outcome(3, 3)) == [Verdict.OVER_QUOTA]
        assert not quotas.is_due


class TestRelease:
    """Who goes counts no longer."""

    def test_reported(self) -> None:
        """
        What the tally knows of is reported, down to 0, and is forgotten then.
        """
        quotas = Quotas(patience=5.0)
        admit(quotas, (ANN, 2))

        quotas.release([ANN])
        round_ = quotas.round(9)

        assert round_.counts == (Count(ANN, 0),)
        assert verdicts(quotas, round_, Outcome(0, 0)) == []
        assert not quotas.is_due
        assert quotas.counted == 0

    def test_unknown_to_the_tally(self) -> None:
        """
        Of what never had a limit the tally hears nothing.
        """
        quotas = Quotas(patience=5.0)
        quotas.claim(claim((ANN, 0)))

        quotas.release([ANN])

        assert not quotas.is_due

    def test_during_a_round(self) -> None:
        """
        Who goes while the tally is asked makes room for a newcomer of the same round.
        """
        quotas = Quotas(patience=5.0)
        admit(quotas, (WHOLE, 1))
        quotas.claim(claim((WHOLE, 2)))
        round_ = quotas.round(9)

        quotas.release([WHOLE])

        assert verdicts(quotas, round_, Outcome(1, 2)) == [Verdict.GRANTED]
        assert not quotas.is_due


class TestRestate:
    """The tally lost what it had, or knows us no longer."""

    def test_everything(self) -> None:
        """
        All that it knew is reported anew; what has no limit stays with us.
        """
        quotas = Quotas(patience=5.0)
        admit(quotas, (ANN, 2))
        quotas.claim(claim((WHOLE, 0), (BOB, 0)))

        quotas.restate()

        assert set(quotas.round(9).counts) == {Count(WHOLE, 1), Count(ANN, 1)}

    def test_in_handfuls(self) -> None:
        """
        However much there is to report, a round takes so many, those first that changed first.
        """
        quotas = Quotas(patience=5.0)
        subjects = [Subject("user", "1", str(number)) for number in range(5)]
        for subject in subjects:
            admit(quotas, (subject, 2))
        quotas.release(subjects)

        rounds = [[count.subject for count in quotas.round(2).counts] for _ in range(3)]

        assert rounds == [subjects[:2], subjects[2:4], subjects[4:]]
        assert not quotas.is_due

    def test_during_a_round(self) -> None:
        """
        An answer that is older than the loss does not count as a report.
        """
        quotas = Quotas(patience=5.0)
        admit(quotas, (ANN, 2))
        quotas.claim(claim((ANN, 2)))
        round_ = quotas.round(9)

        quotas.restate()

        assert verdicts(quotas, round_, Outcome(2, 2)) == [Verdict.GRANTED]
        assert quotas.round(9).counts == (Count(ANN, 2),)

    def test_first_of_its_kind_during_a_round(self) -> None:
        """
        Who is let in by such an answer is reported anew, and reported again when it goes.
        """
        quotas = Quotas(patience=5.0)
        quotas.claim(claim((ANN, 2)))
        round_ = quotas.round(9)
        quotas.restate()

        quotas.settle(round_, [Outcome(1, 1)], now=0.0)
        round_ = quotas.round(9)
        assert round_.counts == (Count(ANN, 1),)
        quotas.settle(round_, [Outcome(1, 1)], now=0.0)
        quotas.release([ANN])

        assert quotas.round(9).counts == (Count(ANN, 0),)


class TestOf:
    """For what a connection counts."""

    LIMITS = Limits(
        connections=10,
        connections_per_address=2,
        connections_per_user=3,
        connections_per_tenant=4,
    )

    def test_connection(self, app: App) -> None:
        """
        From its beginning for its app and its address.
        """
        app = msgspec.structs.replace(app, limits=self.LIMITS)

        assert of_connection(app, "10.0.0.1") == (
            (("app", "1", ""), 10),
            (("address", "1", "10.0.0.1"), 2),
        )

    @pytest.mark.parametrize("tenant, more", [("", ()), ("acme", ((("tenant", "1", "acme"), 4),))])
    def test_user(self, app: App, tenant: str, more: tuple[object, ...]) -> None:
        """
        Once it is signed in for its user, and its tenant if it has one.
        """
        app = msgspec.structs.replace(app, limits=self.LIMITS)

        assert of_user(app, "ann", tenant) == ((("user", "1", "ann"), 3), *more)
