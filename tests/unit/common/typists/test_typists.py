"""Typists in memory: what their contract does not see."""

from dataclasses import dataclass, field

from libs.common.bus.messages import Typed
from libs.common.channels import Channel
from libs.common.leases.memory import MemoryLeases
from libs.common.typists.memory import MemoryTypists
from libs.common.typists.port import USUAL, Report

CHAT = Channel("1", "private-chat")
TTL = 6.0


@dataclass(slots=True)
class Process:
    """A process with leases and typists, where time passes when a test says so."""

    now: float = 1000.0
    members: int = 0
    announced: list[Typed] = field(default_factory=list)
    leases: MemoryLeases = field(init=False)
    typists: MemoryTypists = field(init=False)

    def __post_init__(self) -> None:
        self.leases = MemoryLeases(lambda: self.now)
        self.typists = MemoryTypists(self.announced.append, self.leases, lambda _: self.members)


def says(user_id: str, channel: Channel = CHAT) -> Report:
    return Report(channel, user_id, "g1", TTL)


class TestBounds:
    """As many as the port says."""

    async def test_usual(self) -> None:
        """So many type in a channel, of whom the number is told where there are more than listed."""
        process = Process()
        users = [f"u{number}" for number in range(USUAL.typists)]

        few = await process.typists.report([says(user) for user in users[: USUAL.listed]])
        process.now += USUAL.pause
        more = await process.typists.report([says(user) for user in users])
        late = await process.typists.report([says("late")])

        assert all(few)
        assert all(more)
        assert late == [False]
        listed, counted = process.announced
        assert listed.user_ids == tuple(sorted(users[: USUAL.listed]))
        assert counted == Typed(CHAT, USUAL.typists, None)

    async def test_members(self) -> None:
        """In a channel with more members than are listed the number is told."""
        process = Process(members=USUAL.listed)
        await process.typists.report([says("ann")])
        process.members += 1
        process.now += USUAL.pause
        await process.typists.report([says("bob")])

        assert process.announced == [Typed(CHAT, 1, ("ann",)), Typed(CHAT, 2, None)]


class TestSweep:
    """The sweep of the leases ends what is over."""

    async def test_bounded(self) -> None:
        """One sweep looks at so many channels, and says so if there may be more."""
        process = Process()
        rooms = [Channel("1", f"private-{at}") for at in range(MemoryTypists.SWEEP_LIMIT + 1)]
        await process.typists.report([says("ann", room) for room in rooms])
        process.announced.clear()
        process.now += TTL

        swept = [await process.leases.sweep(grace=0) for _ in range(2)]

        assert swept == [1, 0]
        assert process.announced == [Typed(room, 0, ()) for room in rooms]

    async def test_forgotten(self) -> None:
        """What is known for a while is forgotten then, whatever is known of others."""
        process = Process()
        early, late = Channel("1", "private-a"), Channel("1", "private-b")
        for channel in (late, early, late):
            process.now += 2 * USUAL.pause
            sent = Report(channel, "ann", "", 0.0, everywhere=True)
            types = Report(channel, "ann", "g1", 2 * USUAL.told_for)
            await process.typists.report([types, sent])
            await process.typists.report([types])

        process.now += USUAL.ended_for - USUAL.pause
        await process.leases.sweep(grace=0)
        assert set(process.typists._ends._ends) == {late}
        assert set(process.typists._told) == {early, late}

        process.now += USUAL.told_for - USUAL.ended_for
        await process.leases.sweep(grace=0)
        assert set(process.typists._told) == {late}
