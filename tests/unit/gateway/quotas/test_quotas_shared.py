"""Several gateways' quotas over one tally, in any order of what can happen."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from libs.common.tally.port import Count, Outcome, Subject
from services.gateway.quotas.quotas import Claim, Quota, Quotas, Round, Verdict
from tests.unit.gateway.quotas.test_quotas import ACME, ANN, BOB, WHOLE, claim


class Tally:
    """What `tally.Tally` promises, of gateways that never die: counted by hand."""

    def __init__(self) -> None:
        self.numbers: defaultdict[Subject, Counter[str]] = defaultdict(Counter)

    def report(self, gateway: str, counts: tuple[Count, ...]) -> list[Outcome | None]:
        return [self._take(gateway, count) for count in counts]

    def _take(self, gateway: str, count: Count) -> Outcome:
        numbers = self.numbers[count.subject]
        mine, others = numbers[gateway], numbers.total() - numbers[gateway]
        held = count.number
        if count.limit > 0:
            held = min(held, max(mine, count.limit - others))
        numbers[gateway] = held
        return Outcome(held, others + held)


@dataclass
class Gateway:
    """
    One gateway's quotas.

    Attributes:
        admitted: Who is in, oldest first.
        waiting: Who is not judged yet, in the order of coming.
        asked: The round whose answer has not come.
        answer: That answer, once the tally gave it.
    """

    name: str
    quotas: Quotas = field(default_factory=lambda: Quotas(patience=5.0))
    admitted: list[Claim] = field(default_factory=list)
    waiting: list[Claim] = field(default_factory=list)
    asked: Round | None = None
    answer: list[Outcome | None] | None = None


LIMITS = {WHOLE: 4, ANN: 2, BOB: 2, ACME: 3}
KINDS = st.sampled_from([(WHOLE,), (ANN,), (ANN, ACME), (BOB, ACME), (WHOLE, ANN)])
GATEWAYS = st.integers(0, 2)


class Sharing(RuleBasedStateMachine):
    """
    Several gateways share quotas over one tally.

    Reports arrive, fail before they do, or lose their answer, and anything may happen between any two steps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tally = Tally()
        self.gateways = [Gateway(name) for name in "abc"]
        self.lost_data = False

    @rule(at=GATEWAYS, subjects=KINDS)
    def come(self, at: int, subjects: tuple[Subject, ...]) -> None:
        gateway = self.gateways[at]
        newcomer = claim(*((subject, LIMITS[subject]) for subject in subjects))
        gateway.waiting.append(newcomer)
        gateway.quotas.claim(newcomer)

    @rule(at=GATEWAYS, place=st.integers(0, 9))
    def go(self, at: int, place: int) -> None:
        gateway = self.gateways[at]
        if gateway.admitted:
            gone = gateway.admitted.pop(place % len(gateway.admitted))
            gateway.quotas.release(quota.subject for quota in gone.quotas)

    @rule(at=GATEWAYS)
    def restate(self, at: int) -> None:
        self.gateways[at].quotas.restate()

    @rule()
    def lose_data(self) -> None:
        """Forget everything, as where a gateway's name was lost; then nobody knows how many there are."""
        self.lost_data = True
        self.tally.numbers.clear()
        for gateway in self.gateways:
            gateway.quotas.restate()

    @rule(at=GATEWAYS, most=st.integers(1, 4))
    def ask(self, at: int, most: int) -> None:
        gateway = self.gateways[at]
        if gateway.asked is None and gateway.quotas.is_due:
            gateway.asked = gateway.quotas.round(most)

    @rule(at=GATEWAYS)
    def arrive(self, at: int) -> None:
        gateway = self.gateways[at]
        if gateway.asked is not None and gateway.answer is None:
            gateway.answer = self.tally.report(gateway.name, gateway.asked.counts)

    @rule(at=GATEWAYS)
    def look_again(self, at: int) -> None:
        """Ask for those again who were undecided."""
        self.gateways[at].quotas.ask_again()

    @rule(at=GATEWAYS)
    def settle(self, at: int) -> None:
        self._settle(self.gateways[at])

    @precondition(lambda self: any(gateway.asked for gateway in self.gateways))
    @rule(at=GATEWAYS, lost=st.sets(st.integers(0, 5)))
    def lose_answers(self, at: int, lost: set[int]) -> None:
        """Fail in part or as a whole, whether or not the tally took it."""
        gateway = self.gateways[at]
        if gateway.asked is not None:
            answer = gateway.answer or [None] * len(gateway.asked.counts)
            gateway.answer = [None if i in lost else each for i, each in enumerate(answer)]
            self._settle(gateway)

    def _settle(self, gateway: Gateway) -> None:
        if gateway.asked is None or gateway.answer is None:
            return
        for each, verdict in gateway.quotas.settle(gateway.asked, gateway.answer, now=0.0):
            place = [waiting is each for waiting in gateway.waiting].index(True)
            del gateway.waiting[place]
            if verdict is Verdict.GRANTED:
                gateway.admitted.append(each)
            if verdict is Verdict.OVER_QUOTA:
                assert any(self._is_full(quota) for quota in each.quotas)
        gateway.asked = gateway.answer = None

    def _is_full(self, quota: Quota) -> bool:
        """Tell whether all the room was held when the tally was asked; what was held may have been lowered since."""
        return quota.subject in self.seen_full

    @property
    def seen_full(self) -> set[Subject]:
        return {
            count.subject
            for gateway in self.gateways
            if gateway.asked and gateway.answer
            for count, outcome in zip(gateway.asked.counts, gateway.answer, strict=True)
            if outcome and outcome.total >= LIMITS[count.subject]
        }

    def _in(self, subject: Subject) -> int:
        return sum(self._of(gateway, subject) for gateway in self.gateways)

    def _of(self, gateway: Gateway, subject: Subject) -> int:
        quotas = [quota for each in gateway.admitted for quota in each.quotas]
        return sum(quota.subject == subject for quota in quotas)

    @invariant()
    def never_too_many(self) -> None:
        for subject, limit in LIMITS.items():
            assert self.lost_data or self._in(subject) <= limit

    def teardown(self) -> None:
        """See that when everybody was judged the tally holds what is admitted, and nothing when all are gone."""
        self._calm()
        self._compare()
        for gateway in self.gateways:
            while gateway.admitted:
                self.go(self.gateways.index(gateway), 0)
        self._calm()
        self._compare()
        assert not any(numbers.total() for numbers in self.tally.numbers.values())
        assert not any(gateway.quotas.counted for gateway in self.gateways)

    def _calm(self) -> None:
        for gateway in self.gateways:
            for _ in range(200):
                gateway.quotas.ask_again()
                if not (gateway.quotas.is_due or gateway.asked):
                    break
                at = self.gateways.index(gateway)
                self.ask(at, 4)
                self.arrive(at)
                self._settle(gateway)
            assert not gateway.quotas.is_due
            assert not gateway.waiting

    def _compare(self) -> None:
        for subject in LIMITS:
            for gateway in self.gateways:
                held = self.tally.numbers[subject][gateway.name]
                assert held == self._of(gateway, subject), (subject, gateway.name)


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=200, stateful_step_count=40)
