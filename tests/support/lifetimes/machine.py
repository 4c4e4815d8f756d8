"""
Members through all that befalls gateways: whatever happens, the roster agrees with a plain set.

Gateways do as `services.gateway` does: they renew, they seat their members anew where a lease was lost, and keep
mirrors.  They crash, end in order, stand still and wake up under their old name; sweepers work at once and die; data
are lost.  Time is the model's own: all durations end between its ticks.
"""

import asyncio
import secrets
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from libs.common.bus.messages import Counted, Transition
from libs.common.channels import Channel
from libs.common.leases.port import LeaseLost, Leases
from libs.common.roster.port import JoinAnswer, JoinRequest, Members, Seat
from tests.support.deadline import DEADLINE
from tests.support.lifetimes.drawn import (
    APP,
    CHANNELS,
    COUNTED,
    GATEWAYS,
    GRACES,
    Waking,
    any_place,
    parties,
    wakings,
    which,
)
from tests.support.lifetimes.gateways import Gateway, Newcomer
from tests.support.lifetimes.truth import Truth
from tests.support.lifetimes.worlds import World, world
from tests.support.ports.rosters import MEMORY

TICK = 100.0
TTL = 250.0
LEASE_GRACE = 150.0
DAY = 1000

_Result = TypeVar("_Result")


class Lifetimes(RuleBasedStateMachine):
    """
    Three gateways, of which each may live, stand still or die, beside the truth.

    Attributes:
        url: Of the backend.
    """

    url = MEMORY

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.closing = asyncio.Event()
        self.world = self.run(self._open())
        self.truths = [Truth() for _ in range(self.world.partitions)]
        self.sockets = 0
        self.told: dict[Channel, tuple[int, set[str]]] = {}
        self.counted: list[Counted] = []  # Announced since the last time.
        self.gateways: list[Gateway] = []
        for side in range(GATEWAYS):
            self.gateways.append(Gateway(self.world, side % 2))
            self.run(self._renew(self.gateways[side]))

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return self.runner.run(work)

    async def _open(self) -> World:
        opened: asyncio.Future[World] = asyncio.get_running_loop().create_future()
        self.host = asyncio.create_task(self._host(opened))
        either: list[asyncio.Future[Any]] = [opened, self.host]
        await asyncio.wait(either, timeout=DEADLINE, return_when=asyncio.FIRST_COMPLETED)
        if self.host.done():
            self.host.result()
        return opened.result()

    async def _host(self, opened: asyncio.Future[World]) -> None:
        """Keep the world, in one task from its beginning to its end."""
        async with world(self.url, f"t{secrets.token_hex(6)}", {*CHANNELS, *COUNTED}) as opening:
            opened.set_result(opening)
            await self.closing.wait()

    @initialize(parties=st.tuples(parties, parties, parties))
    def begin(self, parties: Sequence[list[Newcomer]]) -> None:
        """Somebody is there."""
        for at, guests in enumerate(parties):
            self.come(at, guests)

    def _living(self, at: int) -> Gateway:
        return self.living[at % len(self.living)]

    @property
    def living(self) -> list[Gateway]:
        return [gateway for gateway in self.gateways if not gateway.is_stopped]

    @precondition(lambda self: self.living)
    @rule(at=which, guests=parties)
    def come(self, at: int, guests: list[Newcomer]) -> None:
        """Connections come."""
        self.run(self._come(self._living(at), guests))
        self.run(self._agree())

    @precondition(lambda self: any(gateway.held for gateway in self.living))
    @rule(at=which, place=any_place, grace=st.sampled_from(GRACES))
    def go(self, at: int, place: int, grace: float) -> None:
        """A connection leaves its channel, or ends."""
        holding = [gateway for gateway in self.living if gateway.held]
        self.run(self._go(holding[at % len(holding)], place, grace))
        self.run(self._agree())

    @rule(at=which, grace=st.none() | st.sampled_from(GRACES))
    def end(self, at: int, grace: float | None) -> None:
        """A gateway ends in order, or is killed, with all its connections; another one is started."""
        gateway = self.gateways[at]
        if grace is not None and not gateway.is_stopped:
            self.run(self._end_in_order(gateway, grace))
        self.gateways[at] = Gateway(self.world, at % 2)
        self.run(self._renew(self.gateways[at]))
        self.run(self._agree())

    async def _end_in_order(self, gateway: Gateway, grace: float) -> None:
        seats = [Seat(*place, gateway.name) for place in gateway.held]
        await self._leave(gateway, seats, grace)
        for truth in self.truths:
            truth.release(gateway.name)
        await gateway.release()

    @rule(at=which, ticks=st.integers(0, 8), waking=st.none() | wakings)
    def stand_still(self, at: int, ticks: int, waking: Waking | None) -> None:
        """A gateway stands still for some time, and perhaps longer: it hears and renews nothing."""
        self.gateways[at].is_stopped = True
        self.wait(ticks)
        if waking is not None:
            self.wake(at, waking)

    @rule(at=which, waking=wakings)
    def wake(self, at: int, waking: Waking) -> None:
        """A gateway that stood still goes on where it was, under the name that it had."""
        gateway = self.gateways[at]
        former, gateway.is_stopped = gateway.name, False
        self.run(self._wake(gateway, waking))
        if gateway.name != former:
            self.run(self._say_late(gateway, former))
        self.run(self._agree())

    async def _say_late(self, gateway: Gateway, former: str) -> None:
        """Say under a name that was lost that everybody leaves: they have other seats by now."""
        late = [Seat(*place, former) for place in gateway.held]
        await gateway.leave(late[:1], grace=0.0)
        await gateway.leave(late[1:], grace=GRACES[1])

    async def _wake(self, gateway: Gateway, waking: Waking) -> None:
        if waking.is_cut_off:
            gateway.miss_all()
        await gateway.catch_up()
        if waking.leaver is not None and gateway.held:
            await self._go(gateway, *waking.leaver)
        if waking.guest is not None:
            await self._come(gateway, [waking.guest])
        await self._renew(gateway, is_in_doubt=waking.is_cut_off)

    @precondition(lambda self: self.living)
    @rule(at=which, place=any_place)
    def forsake(self, at: int, place: int) -> None:
        """A gateway cannot say that somebody left: it gives up its name, and the others' seats pass to another."""
        gateway = self._living(at)
        former = gateway.name
        if gateway.held:
            gateway.drop(list(gateway.held)[place % len(gateway.held)])
        gateway.rename()
        self.run(self._renew(gateway))
        self.run(self._say_late(gateway, former))
        self.run(self._agree())

    @rule(at=which)
    def deafen(self, at: int) -> None:
        """The next announcement does not reach a gateway."""
        self.gateways[at].is_deaf = True

    @rule(ticks=st.integers(1, 8))
    def wait(self, ticks: int) -> None:
        """Time passes; who lives renews in time, and somebody sweeps."""
        for _ in range(ticks):
            self.run(self._pass(TICK))
            self._sweep_as_expected(1, LEASE_GRACE)
        self.run(self._agree(is_ordered=False))

    @rule(ticks=st.sampled_from([1, 2, 3, 4, 5, DAY]))
    def be_late(self, ticks: int) -> None:
        """Time passes in which nobody renews nor sweeps, as in an outage; in a day names that were cleared are forgotten."""
        self.run(self._pass(ticks * TICK))
        self.run(self._agree())

    @rule(sweepers=st.integers(1, 2), grace=st.sampled_from([0.0, LEASE_GRACE, LEASE_GRACE]))
    def sweep(self, sweepers: int, grace: float) -> None:
        """One sweeper, or two at once, take away what is due, and no more; another one finds nothing."""
        self._sweep_as_expected(sweepers, grace)
        assert self.run(self._sweep(1, grace)) == 0
        self.run(self._agree(is_ordered=False))

    def _sweep_as_expected(self, sweepers: int, grace: float) -> None:
        expected = sum(truth.sweep(grace=grace) for truth in self.truths)
        assert self.run(self._sweep(sweepers, grace)) == expected

    @rule(steps=st.integers(0, 12), grace=st.sampled_from([0.0, LEASE_GRACE]))
    def break_off(self, steps: int, grace: float) -> None:
        """A sweeper dies half-way, and another one goes on."""
        for truth in self.truths:
            truth.sweep(grace=grace)
        self.run(self._break_off(steps, grace))
        self.run(self._sweep(1, grace))
        self.run(self._agree(is_ordered=False))

    @rule(partition=st.integers(0, 1))
    def lose(self, partition: int) -> None:
        """A part of the backend loses all data; who lives finds that out when it renews."""
        index = partition % self.world.partitions
        self._lost(index)
        self.run(self.world.lose(index))
        self.told.clear()
        for gateway in self.living:
            self.run(self._renew(gateway))
        self.run(self._agree())

    def _lost(self, partition: int) -> None:
        self.truths[partition].lose()

    def teardown(self) -> None:
        """See that whoever missed something is right again when it has read the members."""
        try:
            self.run(self._end())
        finally:
            self.closing.set()
            self.run(self._close())
            self.runner.close()

    async def _end(self) -> None:
        for gateway in self.living:
            for channel in gateway.mirrors:
                await gateway.read(channel)
        await self._agree()

    async def _close(self) -> None:
        await asyncio.wait([self.host], timeout=DEADLINE)

    async def _pass(self, seconds: float) -> None:
        await self.world.age(seconds)
        for truth in self.truths:
            truth.now += seconds
        for gateway in self.living:
            await self._renew(gateway)

    async def _renew(self, gateway: Gateway, *, is_in_doubt: bool = False) -> None:
        """Renew a lease, and do what a gateway does if it had none."""
        replies = [truth.renew(gateway.name, ttl=TTL) for truth in self.truths]
        expected = None if None in replies else all(replies)
        assert await gateway.renew(ttl=TTL) == expected
        if expected is None:
            gateway.rename()
            await self._renew(gateway)
        elif not expected or is_in_doubt:
            await self._restate(gateway)

    async def _restate(self, gateway: Gateway) -> None:
        """Say anew all that the backend may not know."""
        await self._join(gateway, gateway.requests())

    async def _come(self, gateway: Gateway, guests: Sequence[Newcomer]) -> None:
        """Seat newcomers, under another name if the present one is lost."""
        self.sockets += len(guests)
        sockets = [f"{self.sockets - number}.1" for number in range(len(guests))]
        answers = await self._join(gateway, gateway.asked(guests, sockets))
        if LeaseLost in map(type, answers):
            gateway.rename()
            await self._renew(gateway)
            await self._join(gateway, gateway.asked(guests, sockets))

    async def _join(
        self, gateway: Gateway, requests: Sequence[JoinRequest]
    ) -> Sequence[JoinAnswer]:
        refusals = [self._truth(each.seat.channel).join(each) for each in requests]
        answers = await gateway.join(requests) if requests else []
        for request, refusal, answer in zip(requests, refusals, answers, strict=True):
            if refusal is not None:
                assert type(answer) is refusal
            else:
                assert isinstance(answer, Members)
                channel = request.seat.channel
                assert answer.infos == self._truth(channel).members(channel)
        return answers

    async def _go(self, gateway: Gateway, place: int, grace: float) -> None:
        leaving = list(gateway.held)[place % len(gateway.held)]
        gateway.drop(leaving)
        for each in (grace, grace * 2):  # The answer is lost: to say it again gains no time.
            await self._leave(gateway, [Seat(*leaving, gateway.name)], each)

    async def _leave(self, gateway: Gateway, seats: Sequence[Seat], grace: float) -> None:
        for seat in seats:
            self._truth(seat.channel).leave([seat], grace=grace)
        await gateway.leave(seats, grace=grace)

    async def _sweep(self, sweepers: int, grace: float) -> int:
        """Have some sweep until nothing is left; return how much they took away."""
        processes = self.world.processes[:sweepers]
        return sum(await asyncio.gather(*(_sweep_all(each.leases, grace) for each in processes)))

    async def _break_off(self, steps: int, grace: float) -> None:
        dying = asyncio.ensure_future(self.world.processes[1].leases.sweep(grace=grace))
        for _ in range(steps):
            await asyncio.sleep(0)
        dying.cancel()
        await asyncio.wait([dying])

    async def _agree(self, *, is_ordered: bool = True) -> None:
        """See that announcements, members and mirrors are the truth."""
        heard, self.counted = await self.world.ear.announced()
        expected = [change for truth in self.truths for change in truth.changes]
        for truth in self.truths:
            truth.changes.clear()
        for channel in CHANNELS:
            theirs = [each for each in expected if each[0] == channel]
            ours = [(one.channel, one.user_id, one.info) for one in heard if one.channel == channel]
            assert ours == theirs if is_ordered else sorted(ours) == sorted(theirs)
        self._follow(heard)
        await self._agree_on_members()
        await self._agree_with_mirrors(heard)

    def _follow(self, heard: Sequence[Transition]) -> None:
        """See that versions count up by one, but for those of a channel that was empty, or lost."""
        for one in heard:
            version, users = self.told.setdefault(one.channel, (one.version - 1, set()))
            assert one.version == version + 1 or (one.version > version and not users)
            self.told[one.channel] = one.version, users ^ {one.user_id}

    async def _agree_on_members(self) -> None:
        roster = self.world.processes[0].roster
        truths = [dict(self._truth(channel).members(channel)) for channel in CHANNELS]
        assert [one.infos for one in await roster.members(CHANNELS)] == truths
        assert await roster.sizes(CHANNELS) == [len(one) for one in truths]
        seated = await roster.seated(CHANNELS)
        assert [(one.connections, one.members) for one in seated] == [
            (self._truth(channel).connections(channel), there)
            for channel, there in zip(CHANNELS, truths, strict=True)
        ]
        assert all(bool(one.since) == bool(one.members) for one in seated)
        online = sorted(user for truth in self.truths for user in truth.online())
        assert await roster.online(APP, prefix="", after="", limit=9) == online

    async def _agree_with_mirrors(self, heard: Sequence[Transition]) -> None:
        for gateway in self.gateways:
            gateway.hear(heard)
        for gateway in self.living:
            await gateway.catch_up()
            for channel in gateway.mirrors.keys() - gateway.behind:
                there = self._truth(channel).members(channel).keys()
                assert gateway.mirrors[channel].infos.keys() == there == gateway.shown[channel]

    def _truth(self, channel: Channel) -> Truth:
        return self.truths[self.world.partition(channel)]


async def _sweep_all(leases: Leases, grace: float) -> int:
    total = 0
    async with asyncio.timeout(DEADLINE):
        while taken := await leases.sweep(grace=grace):
            total += taken
    return total
