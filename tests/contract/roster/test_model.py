"""The Redis roster does what the memory roster does."""

import asyncio
import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.bus.messages import Transition
from libs.common.channels import Channel
from libs.common.leases.memory import MemoryLeases
from libs.common.leases.port import LeaseLost, Leases
from libs.common.roster.memory import MemoryRoster
from libs.common.roster.port import JoinAnswer, JoinRequest, Members, Roster, Seat, TooManyMembers
from tests.support.deadline import DEADLINE
from tests.support.ports.rosters import LONG, SHORT, Deployment, deployment


@dataclass(frozen=True, slots=True)
class Join:
    """One gateway asks for seats."""

    requests: list[JoinRequest]


@dataclass(frozen=True, slots=True)
class Leave:
    """Seats are given up."""

    seats: list[Seat]
    grace: float


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


Step = Join | Leave | Renew | Release | Sweep

CHANNELS = (Channel("1", "presence-a"), Channel("1", "presence-b"))
gateways = st.sampled_from(["g1", "g2", "g3"])
seats = st.builds(
    Seat, st.sampled_from(CHANNELS), st.sampled_from(["1.1", "1.2", "1.3", "1.4"]), gateways
)


@st.composite
def joins(draw: st.DrawFn) -> Join:
    gateway = draw(gateways)
    asked = st.builds(
        JoinRequest,
        seats.map(lambda seat: Seat(seat.channel, seat.socket_id, gateway)),
        st.sampled_from(["ann", "bob", "eve"]),
        st.sampled_from(["1", "2"]),
        st.sampled_from([0, 0, 1, 2]),
    )
    return Join(draw(st.lists(asked, min_size=1, max_size=4)))


steps = st.one_of(
    joins(),
    joins(),
    st.builds(Leave, st.lists(seats, min_size=1, max_size=3), st.sampled_from([0, SHORT, LONG])),
    st.builds(Renew, gateways, st.sampled_from([LONG, LONG, -1.0])),
    st.builds(Release, gateways),
    st.builds(Sweep, st.sampled_from([0, LONG])),
)


@dataclass(slots=True)
class Model:
    """A memory roster, its leases, their clock and what it announced."""

    now: float = 0.0
    announced: list[Transition] = field(default_factory=list)
    leases: MemoryLeases = field(init=False)
    roster: MemoryRoster = field(init=False)

    def __post_init__(self) -> None:
        self.leases = MemoryLeases(lambda: self.now)
        self.roster = MemoryRoster(self.announced.append, self.leases)


async def perform(step: Step, roster: Roster, leases: Leases) -> list[object]:
    """Do a step other than a sweep, and tell what came of it, without versions."""
    match step:
        case Join():
            return [outcome(answer) for answer in await roster.join(step.requests)]
        case Leave():
            await roster.leave(step.seats, grace=step.grace)
        case Renew():
            try:
                return [await leases.renew(step.gateway, ttl=step.ttl)]
            except LeaseLost:
                return [LeaseLost]
        case Release():
            await leases.release(step.gateway)
    return []


def outcome(answer: JoinAnswer) -> object:
    if isinstance(answer, Members):
        return dict(answer.infos)
    return answer.limit if isinstance(answer, TooManyMembers) else type(answer)


async def sweep_both(step: Sweep, model: Model, site: Deployment) -> None:
    """Sweep the model to its end, and the roster until it has cleared as much, and no more."""
    model.now += 1.0
    expected = 0
    while cleared := await model.leases.sweep(grace=step.grace):
        expected += cleared
    sweepers = itertools.cycle([site.leases, site.other_leases])
    async with asyncio.timeout(DEADLINE):
        while expected > 0:
            expected -= await next(sweepers).sweep(grace=step.grace)
    assert expected - await next(sweepers).sweep(grace=step.grace) == 0


def changes(transitions: Sequence[Transition], channel: Channel) -> list[tuple[str, str | None]]:
    return [(one.user_id, one.info) for one in transitions if one.channel == channel]


class TestModel:
    """The Redis roster does what the memory roster does."""

    @given(taken=st.lists(steps, max_size=25))
    @settings(max_examples=100)
    async def test_steps(self, redis_url: str, taken: list[Step]) -> None:
        """After the same steps, the same was answered and announced, and the same is there."""
        model, versions = Model(), dict.fromkeys(CHANNELS, 0)
        prefix = f"t{secrets.token_hex(6)}"
        async with (
            deployment(redis_url, prefix, partitions=2) as site,
            site.ear(*CHANNELS) as ear,
        ):
            for number, step in enumerate(taken):
                if isinstance(step, Sweep):
                    await sweep_both(step, model, site)
                else:
                    roster, leases = (
                        (site.other, site.other_leases)
                        if number % 2
                        else (site.roster, site.leases)
                    )
                    expected = await perform(step, model.roster, model.leases)
                    assert await perform(step, roster, leases) == expected
                heard = await ear.heard()
                for channel in CHANNELS:
                    ours, theirs = changes(heard, channel), changes(model.announced, channel)
                    is_ordered = not isinstance(step, Sweep)
                    assert ours == theirs if is_ordered else sorted(ours) == sorted(theirs)
                model.announced.clear()
                follow(versions, heard)
            readings = await site.roster.members(CHANNELS)
            models = await model.roster.members(CHANNELS)

        assert [one.infos for one in readings] == [one.infos for one in models]
        for channel, reading in zip(CHANNELS, readings, strict=True):
            assert versions[channel] in {0, reading.version}


def follow(versions: dict[Channel, int], transitions: Sequence[Transition]) -> None:
    """See that versions follow each other without a hole."""
    for one in transitions:
        assert versions[one.channel] in {0, one.version - 1}
        versions[one.channel] = one.version
