"""Typists agree with plain dicts, on memory and on Redis, through all that befalls them."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.typists.port import Report, TypingBounds
from tests.contract.typists.truth import Truth
from tests.support.ports.rosters import LONG, MEMORY, request, seated
from tests.support.ports.typists import CHANNELS, CHAT, ROOM, TypingWorld, typing_world

TICK = 100.0  # Seconds: on a Redis, whose clock goes on, no test comes near to that.
BOUNDS = TypingBounds(typists=4, listed=2, pause=2 * TICK, told_for=12 * TICK, ended_for=4 * TICK)
FOREVER = 1e6
USERS = ("ann", "Zoë M/1", "b b")


@dataclass(frozen=True, slots=True)
class Say:
    """Sources say something."""

    reports: list[Report]


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes."""

    ticks: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """One sweeps, or two do at once."""

    sweepers: int


@dataclass(frozen=True, slots=True)
class Sit:
    """A user becomes a member, or is one no more."""

    user: str


@dataclass(frozen=True, slots=True)
class Lose:
    """The backend loses all data."""


Step = Say | Wait | Sweep | Sit | Lose


reports = st.builds(
    Report,
    channel=st.sampled_from((CHAT, CHAT, *CHANNELS)),
    user_id=st.sampled_from(USERS),
    source=st.sampled_from(["", "g1", "g2"]),
    lasts=st.sampled_from([0.0, TICK, 3 * TICK, 6 * TICK, 15 * TICK]),
    everywhere=st.booleans(),
    age=st.sampled_from([0.0, 0.0, TICK, 2 * TICK, 4 * TICK]),
)
says = st.builds(Say, st.lists(reports, min_size=1, max_size=6))
waits = st.builds(Wait, st.sampled_from([1, 1, 2, 3, 14]))
sweeps = st.builds(Sweep, st.integers(1, 2))
rare = st.builds(Sit, st.sampled_from(USERS)) | st.builds(Lose)
steps = st.one_of(says, says, says, waits, waits, sweeps, sweeps, rare)

# Of one user alone all that can befall it soon has; among many it is rare.
alone = st.sampled_from(
    [
        *(Say([Report(CHAT, "ann", "", lasts)]) for lasts in (0.0, TICK, 15 * TICK)),
        Say([Report(CHAT, "ann", "g1", TICK)]),
        Wait(1),
        Wait(2),
        Sweep(1),
    ]
)
games = st.lists(steps, min_size=5, max_size=40) | st.lists(alone, min_size=4, max_size=12)


class Play:
    """A world, and the truth of each channel."""

    def __init__(self, world: TypingWorld) -> None:
        self.world = world
        self.truths = {channel: Truth(channel, BOUNDS) for channel in CHANNELS}

    async def begin(self) -> None:
        """Have a gateway that members come by."""
        await self.world.processes[0].leases.renew("g1", ttl=FOREVER)

    async def take(self, step: Step, *, side: int) -> None:
        """Do a step, by one of the processes, and see that all is as it should be."""
        before = {channel: truth.typed for channel, truth in self.truths.items()}
        await self._do(step, side)
        heard = await self.world.ear.typed()
        for channel, truth in self.truths.items():
            truth.hear([one for one in heard if one.channel == channel])
            is_changed = isinstance(step, Say) and before[channel].user_ids != truth.typed.user_ids
            truth.check_told(is_due=is_changed or isinstance(step, Sweep))
        typings = await self.world.processes[1 - side].typists.typing(CHANNELS)
        for truth, typing in zip(self.truths.values(), typings, strict=True):
            truth.check_reading(typing)

    async def _do(self, step: Step, side: int) -> None:
        process = self.world.processes[side]
        match step:
            case Say(reports):
                expected = [self.truths[each.channel].take(each) for each in reports]
                assert await process.typists.report(reports) == expected
            case Wait(ticks):
                await self.world.age(ticks * TICK)
                for truth in self.truths.values():
                    truth.wait(ticks * TICK)
            case Sweep(sweepers):
                swept = [each.leases.sweep(grace=LONG) for each in self.world.processes[:sweepers]]
                assert set(await asyncio.gather(*swept)) == {0}
            case Sit(user):
                await self._sit(user, side)
            case Lose():
                await self._lose()

    async def _sit(self, user: str, side: int) -> None:
        roster, members = self.world.processes[side].roster, self.truths[ROOM].members
        sitting = request(ROOM, user, socket_id=f"{USERS.index(user)}.1")
        if user in members:
            await roster.leave([sitting.seat], grace=0)
        else:
            await seated(roster, sitting)
        members ^= {user}

    async def _lose(self) -> None:
        await self.world.lose(
            "typists.sources",
            "typists.told",
            "typists.ended",
            "typists.due",
            "roster.counts",
            "roster.seats",
        )
        for truth in self.truths.values():
            truth.lose()
            truth.members.clear()
        await self.begin()


async def play(url: str, taken: Sequence[Step]) -> None:
    """Take these steps in a world of their own, and end when all is over."""
    async with typing_world(url, f"t{secrets.token_hex(6)}", bounds=BOUNDS, partitions=2) as world:
        play = Play(world)
        await play.begin()
        for number, step in enumerate((*taken, Wait(16), Sweep(2))):
            await play.take(step, side=number % 2)
        assert {truth.typed.count for truth in play.truths.values()} == {0}


class TestModel:
    """Whatever is said, and whoever sweeps, the lists that are told and read are true."""

    @given(taken=games)
    @settings(max_examples=500)
    async def test_memory(self, taken: list[Step]) -> None:
        """In memory."""
        await play(MEMORY, taken)

    @given(taken=games)
    @settings(max_examples=200)
    async def test_redis(self, redis_url: str, taken: list[Step]) -> None:
        """On Redis."""
        await play(redis_url, taken)
