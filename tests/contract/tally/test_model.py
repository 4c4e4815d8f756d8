"""The Redis tally does what the memory tally does."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.bus.messages import Counted
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.leases.memory import MemoryLeases
from libs.common.leases.port import LeaseLost, Leases
from libs.common.tally.memory import MemoryTally
from libs.common.tally.port import Count, Outcome, Subject, Tally
from tests.support.deadline import DEADLINE
from tests.support.fakes.tallies import subscriptions
from tests.support.ports.rosters import LONG, Deployment, deployment


@dataclass(frozen=True, slots=True)
class Report:
    """A gateway says what it has."""

    gateway: str
    counts: list[Count]


@dataclass(frozen=True, slots=True)
class Renew:
    """A gateway takes a lease, or one that has lapsed already."""

    gateway: str
    ttl: float


@dataclass(frozen=True, slots=True)
class Release:
    """A gateway ends its lease."""

    gateway: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """Someone sweeps until nothing is left to do."""

    grace: float


Step = Report | Renew | Release | Sweep

CHANNELS = (Channel("1", "news"), Channel("1", "private-a"))
SUBJECTS = (*map(subscriptions, CHANNELS), Subject("app", "1"), Subject("user", "1", "Zoë M/1"))
GATEWAYS = ("g1", "g2", "g3", "g4", "g5")
gateways = st.sampled_from(GATEWAYS)
counts = st.builds(
    Count, st.sampled_from(SUBJECTS), st.integers(0, 6), st.sampled_from([-1, 0, 3, 8])
).map(lambda one: Count(one.subject, one.number, one.limit, one.subject.kind == "channel"))
steps = st.one_of(
    st.builds(Report, gateways, st.lists(counts, min_size=1, max_size=5)),
    st.builds(Report, gateways, st.lists(counts, min_size=1, max_size=5)),
    st.builds(Renew, gateways, st.sampled_from([LONG, LONG, -1.0])),
    st.builds(Release, gateways),
    st.builds(Sweep, st.sampled_from([0, LONG])),
)


@dataclass(slots=True)
class Model:
    """A memory tally, its leases, their clock and what was announced."""

    now: float = 0.0
    announced: list[Counted] = field(default_factory=list)
    leases: MemoryLeases = field(init=False)
    tally: MemoryTally = field(init=False)

    def __post_init__(self) -> None:
        self.leases = MemoryLeases(lambda: self.now)
        self.tally = MemoryTally(self.announced.append, self.leases)


async def perform(step: Step, leases: Leases, tally: Tally) -> list[object]:
    """Do a step other than a sweep, and tell what came of it."""
    match step:
        case Report():
            return [outcome(one) for one in await tally.report(step.gateway, step.counts)]
        case Renew():
            try:
                return [await leases.renew(step.gateway, ttl=step.ttl)]
            except LeaseLost:
                return [LeaseLost]
        case Release():
            await leases.release(step.gateway)
    return []


def outcome(answer: Outcome | Unavailable) -> object:
    return answer if isinstance(answer, Outcome) else type(answer)


async def sweep_both(step: Sweep, model: Model, site: Deployment) -> None:
    """Sweep the model to its end, and the roster until it has cleared as much, and no more."""
    model.now += 1.0
    expected = 0
    while cleared := await model.leases.sweep(grace=step.grace):
        expected += cleared
    async with asyncio.timeout(DEADLINE):
        while expected > 0:
            expected -= await site.leases.sweep(grace=step.grace)
    assert expected - await site.other_leases.sweep(grace=step.grace) == 0


async def readings(tally: Tally) -> list[object]:
    """Read all that there is to read."""
    named = [await tally.channels("1", prefix=prefix, limit=10) for prefix in ("", "private-")]
    return [await tally.totals(SUBJECTS), *named]


def totals(announced: Sequence[Counted], channel: Channel) -> list[int]:
    return [one.total for one in announced if one.channel == channel]


class TestModel:
    """The Redis tally does what the memory tally does."""

    @given(taken=st.lists(steps, max_size=25))
    @settings(max_examples=100)
    async def test_steps(self, redis_url: str, taken: list[Step]) -> None:
        """After the same steps, the same was answered and announced, and the same is there."""
        model = Model()
        prefix = f"t{secrets.token_hex(6)}"
        async with (
            deployment(redis_url, prefix, partitions=2) as site,
            site.ear(*CHANNELS) as ear,
        ):
            for gateway in GATEWAYS:  # Without a lease it would be known to one partition alone.
                await site.leases.renew(gateway, ttl=LONG)
                await model.leases.renew(gateway, ttl=LONG)
            for number, step in enumerate(taken):
                if isinstance(step, Sweep):
                    await sweep_both(step, model, site)
                else:
                    leases, tally = (
                        (site.other_leases, site.other_tally)
                        if number % 2
                        else (site.leases, site.tally)
                    )
                    expected = await perform(step, model.leases, model.tally)
                    assert await perform(step, leases, tally) == expected
                assert await readings(site.other_tally) == await readings(model.tally)
                heard = await ear.counted()
                for channel in CHANNELS:
                    ours, theirs = totals(heard, channel), totals(model.announced, channel)
                    # Of several that are cleared at once, Redis counts none any more at the first.
                    is_exact = not isinstance(step, Sweep)
                    assert ours == theirs if is_exact else ours[-1:] == theirs[-1:]
                model.announced.clear()
