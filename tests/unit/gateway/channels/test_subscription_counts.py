"""How many subscribe, and when they are told."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from libs.common.channels import Channel
from libs.common.tally.port import LARGE, PAUSE
from services.gateway.channels.subscription_counts import SubscriptionCounts

A, B = Channel("1", "a"), Channel("1", "b")


class TestSmall:
    """Pusher, "Subscription counting": a small channel is told of each change."""

    def test_each_change(self) -> None:
        """
        Every number is told as it comes, up to the largest that is small.
        """
        counts = SubscriptionCounts()

        assert all(counts.counted(A, total, now=0.0) for total in range(LARGE + 1))
        assert counts.due(now=PAUSE) == []

    def test_nothing_is_kept(self) -> None:
        """
        Of small channels nothing is remembered, however many there are.
        """
        counts = SubscriptionCounts()
        for number in range(1000):
            counts.counted(Channel("1", str(number)), 1, now=0.0)

        assert len(counts) == 0


class TestLarge:
    """A large one is told every few seconds, and then of the newest number."""

    def test_at_intervals(self) -> None:
        """
        The first number is told at once, those after it when the pause is over, as one.
        """
        counts = SubscriptionCounts()

        assert counts.counted(A, LARGE + 1, now=10.0)
        assert not counts.counted(A, LARGE + 2, now=10.1)
        assert not counts.counted(A, LARGE + 3, now=10.0 + PAUSE - 0.1)
        assert counts.due(now=10.0 + PAUSE - 0.1) == []
        assert counts.due(now=10.0 + PAUSE) == [(A, LARGE + 3)]

    def test_told_again_is_told_at_intervals(self) -> None:
        """
        After that a new pause begins.
        """
        counts = SubscriptionCounts()
        counts.counted(A, LARGE + 1, now=0.0)
        counts.counted(A, LARGE + 2, now=0.0)
        counts.due(now=PAUSE)

        assert not counts.counted(A, LARGE + 3, now=PAUSE + 1)
        assert counts.due(now=2 * PAUSE - 0.1) == []
        assert counts.due(now=2 * PAUSE) == [(A, LARGE + 3)]

    def test_at_rest(self) -> None:
        """
        Where nothing changed nobody is told, and nothing is remembered.
        """
        counts = SubscriptionCounts()
        counts.counted(A, LARGE + 1, now=0.0)

        assert counts.due(now=PAUSE) == []
        assert len(counts) == 0
        assert counts.counted(A, LARGE + 2, now=PAUSE)

    def test_each_for_itself(self) -> None:
        """
        One channel's pause is not another's.
        """
        counts = SubscriptionCounts()
        counts.counted(A, LARGE + 1, now=0.0)
        assert counts.counted(B, LARGE + 1, now=1.0)
        counts.counted(B, LARGE + 5, now=1.0)
        counts.counted(A, LARGE + 6, now=1.0)

        assert counts.due(now=PAUSE) == [(A, LARGE + 6)]
        assert counts.due(now=PAUSE + 1) == [(B, LARGE + 5)]

    def test_becomes_small(self) -> None:
        """
        One that has become small is told at once, and of no older number afterwards.
        """
        counts = SubscriptionCounts()
        counts.counted(A, LARGE + 1, now=0.0)
        counts.counted(A, LARGE + 2, now=1.0)

        assert counts.counted(A, LARGE, now=2.0)
        assert counts.due(now=PAUSE) == []


STEPS = st.lists(
    st.tuples(
        st.integers(0, 16).map(lambda quarters: quarters / 4),
        st.sampled_from([A, B]),
        st.integers(LARGE - 2, LARGE + 5),
    ),
    max_size=60,
)


@given(STEPS)
def test_anything(steps: list[tuple[float, Channel, int]]) -> None:
    """
    In the end everybody knows the newest number, and of large ones no two were told within a pause.
    """
    counts, now = SubscriptionCounts(), 0.0
    newest: dict[Channel, int] = {}
    told: dict[Channel, list[tuple[float, int]]] = {A: [], B: []}
    for seconds, channel, total in steps:
        now += seconds
        for each, number in counts.due(now=now):
            told[each].append((now, number))
        newest[channel] = total
        if counts.counted(channel, total, now=now):
            told[channel].append((now, total))
    for each, number in counts.due(now=now + PAUSE):
        told[each].append((now + PAUSE, number))

    assert {channel: numbers[-1][1] for channel, numbers in told.items() if numbers} == newest
    for numbers in told.values():
        large = [at for at, number in numbers if number > LARGE]
        assert all(after - before >= PAUSE for before, after in itertools.pairwise(large))
    assert counts.due(now=now + 3 * PAUSE) == []
    assert len(counts) == 0
