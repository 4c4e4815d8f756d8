"""The tally in memory: what its contract does not see."""

import math
from dataclasses import dataclass, field

import pytest

from libs.common.bus.messages import Counted
from libs.common.channels import Channel
from libs.common.leases.memory import MemoryLeases
from libs.common.leases.port import CLEARED_FOR, LeaseLost
from libs.common.roster.memory import MemoryRoster
from libs.common.roster.port import JoinRequest, Seat
from libs.common.tally.memory import MemoryTally
from libs.common.tally.port import Count, Outcome, Subject

ROOM = Channel("1", "presence-room")
SUBSCRIPTIONS = Subject("channel", *ROOM)
APP = Subject("app", "1")


@dataclass(slots=True)
class Process:
    """A process with leases, a roster and a tally, where time passes when a test says so."""

    now: float = 1000.0
    announced: list[Counted] = field(default_factory=list)
    leases: MemoryLeases = field(init=False)
    roster: MemoryRoster = field(init=False)
    tally: MemoryTally = field(init=False)

    def __post_init__(self) -> None:
        self.leases = MemoryLeases(lambda: self.now)
        self.roster = MemoryRoster(lambda _: None, self.leases)
        self.tally = MemoryTally(self.announced.append, self.leases)


class TestLeases:
    """Counts go by leases, and their clock."""

    async def test_lapses(self) -> None:
        """How long another gateway was silent is told, until its lease lapses: that is doubt."""
        process = Process()
        await process.leases.renew("g1", ttl=10)
        await process.tally.report("g1", [Count(APP, 1)])
        process.now += 9.9
        early = await process.tally.report("g2", [Count(APP, 1)])
        process.now += 0.1
        late = await process.tally.report("g2", [Count(APP, 1)])

        assert early == late == [Outcome(1, 2)]
        silences = [each.silence for each in (*early, *late) if isinstance(each, Outcome)]
        assert silences == [pytest.approx(9.9), math.inf]

    async def test_grace(self) -> None:
        """What a gateway had is taken off when the grace has passed, and announced."""
        process = Process()
        await process.leases.renew("g1", ttl=10)
        await process.tally.report("g1", [Count(SUBSCRIPTIONS, 2), Count(APP, 2)])
        process.now += 100
        cleared = [await process.leases.sweep(grace=5)]
        process.now += 4.9
        cleared.append(await process.leases.sweep(grace=5))
        process.now += 0.1
        cleared.append(await process.leases.sweep(grace=5))

        assert cleared == [0, 0, 2]
        assert process.announced == [Counted(ROOM, 0)]
        assert await process.tally.totals([SUBSCRIPTIONS, APP]) == [0, 0]

    async def test_reporting_is_no_renewal(self) -> None:
        """A gateway whose lease lapsed does not prolong its grace by reporting."""
        process = Process()
        await process.leases.renew("g1", ttl=0)
        await process.leases.sweep(grace=5)
        process.now += 4
        await process.tally.report("g1", [Count(APP, 1)])
        await process.leases.sweep(grace=5)
        process.now += 1

        assert await process.leases.sweep(grace=5) == 1
        (refused,) = await process.tally.report("g1", [Count(APP, 1)])
        assert isinstance(refused, LeaseLost)

    async def test_seats_and_counts(self) -> None:
        """A sweep tells how many seats and counts it cleared."""
        process = Process()
        await process.roster.join([JoinRequest(Seat(ROOM, "1.1", "g1"), "ann", "{}")])
        await process.tally.report("g1", [Count(SUBSCRIPTIONS, 1), Count(APP, 1)])

        assert await process.leases.sweep(grace=0) == 3


class TestBounds:
    """What is kept is bounded by what there is."""

    async def test_nothing_left(self) -> None:
        """Of what was given up, refused or cleared nothing is kept."""
        process = Process()
        for number in range(30):
            name = f"g{number}"
            subject = Subject("user", "1", f"u{number % 3}")
            await process.tally.report(name, [Count(subject, 1, limit=2), Count(APP, 1)])
            if number % 2:
                await process.tally.report(name, [Count(subject, 0), Count(APP, 0)])
        await process.leases.sweep(grace=0)
        process.now += CLEARED_FOR
        await process.leases.sweep(grace=0)

        assert process.tally._numbers == {}
        leases = process.leases
        assert leases._leases == leases._cleared == leases._lapsed == {}
