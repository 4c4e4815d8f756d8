"""Decisions: what is remembered, for how long, and who waits for whom."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from libs.common.belonging import Membership, Missed, Put, Removed
from libs.common.control import MemoryControl
from libs.common.errors import Unavailable
from libs.common.memberships import MemoryMemberships
from libs.common.orders import Order
from libs.common.policies import Policies
from libs.common.policy_settings import ChannelPolicy
from libs.common.secret import Secret
from services.auth.decisions import Decisions
from services.auth.identity import User
from services.auth.removals import Removals
from services.auth.settings import Issuer, MembershipSettings
from tests.support.memberships import Breaking

DEADLINE = 5.0
ISSUER = Issuer(issuer="i", audience="a", secret=Secret("s" * 32))
USER = User("7", {}, {"ok": True}, ISSUER)
ANN = Membership("1", "7", "x:5")
POLICIES = Policies(
    [
        ChannelPolicy(app="1", pattern="private-x.{id}", member_of="x:{id}"),
        ChannelPolicy(app="1", pattern="private-y.{id}", member_of="y:{id}", allow="claims.ok"),
        ChannelPolicy(app="1", pattern="private-open", allow="claims.ok"),
    ]
)


@dataclass
class Site:
    """Decisions around memberships in memory, and a clock that stands still."""

    now: float = 1000.0
    memory: MemoryMemberships = field(default_factory=MemoryMemberships)
    control: MemoryControl = field(default_factory=MemoryControl)
    settings: MembershipSettings = field(default_factory=MembershipSettings)

    def __post_init__(self) -> None:
        self.memberships = Breaking(self.memory)
        removals = Removals(POLICIES, self.memberships, control=self.control)
        self.decisions = Decisions(
            POLICIES,
            self.memberships,
            settings=self.settings,
            removals=removals,
            clock=lambda: self.now,
        )

    async def may(self, channel: str = "private-x.5") -> bool:
        async with asyncio.timeout(DEADLINE):
            return (await self.decisions.decide("1", channel, USER)).allowed

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have it hear of changes."""
        listening = asyncio.create_task(self.decisions.run())
        try:
            while not self.memory._listeners:
                await asyncio.sleep(0)
            yield
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening


@pytest.fixture
def site() -> Site:
    return Site()


class TestRemembered:
    """An answer counts for `auth.memberships.cache` seconds."""

    async def test_yes(self, site: Site) -> None:
        await site.memory.put([ANN])

        assert await site.may()
        assert await site.may()
        assert not await site.may("private-x.6")

        assert site.memberships.questions == 2

    async def test_no(self, site: Site) -> None:
        """A no is remembered as well."""
        assert not await site.may()
        assert not await site.may()

        assert site.memberships.questions == 1

    async def test_over(self, site: Site) -> None:
        assert not await site.may()
        await site.memory.put([ANN])

        site.now += 59.9
        assert not await site.may()
        site.now += 0.1
        assert await site.may()

    async def test_without_membership(self, site: Site) -> None:
        """Policies that ask for none ask nobody."""
        assert await site.may("private-open")
        assert not await site.may("private-unknown")

        assert site.memberships.questions == 0


class TestAway:
    """The memberships are away."""

    async def test_while_fresh(self, site: Site) -> None:
        """What counts decides, and then nobody is let in, nor told that they may not be."""
        await site.memory.put([ANN])
        assert await site.may()
        site.memberships.is_away = True

        site.now += 59.0
        assert await site.may()
        site.now += 1.0
        with pytest.raises(Unavailable):
            await site.may()

    async def test_back(self, site: Site) -> None:
        """A failure is not remembered."""
        site.memberships.is_away = True
        with pytest.raises(Unavailable):
            await site.may()

        site.memberships.is_away = False

        assert not await site.may()

    async def test_slow(self) -> None:
        """A backend that does not answer in time is away."""
        site = Site(settings=MembershipSettings(timeout=0.01))
        site.memberships.answering.clear()

        with pytest.raises(Unavailable):
            await site.may()


class TestOneQuestion:
    """Whoever asks the same at the same time waits for one question."""

    async def test_shared(self, site: Site) -> None:
        await site.memory.put([ANN])
        site.memberships.answering.clear()
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(site.may()) for _ in range(50)]
            other = tasks.create_task(site.may("private-x.6"))
            await asyncio.sleep(0)
            site.memberships.answering.set()

        assert all(task.result() for task in asked)
        assert not other.result()
        assert site.memberships.questions == 2

    async def test_failure_shared(self, site: Site) -> None:
        site.memberships.is_away = True

        answers = await asyncio.gather(*(site.may() for _ in range(10)), return_exceptions=True)

        assert all(isinstance(answer, Unavailable) for answer in answers)

    async def test_asker_cancelled(self, site: Site) -> None:
        """When the one who asked goes away, another asks."""
        await site.memory.put([ANN])
        site.memberships.answering.clear()
        first = asyncio.create_task(site.may())
        await site.memberships.asked.wait()
        second = asyncio.create_task(site.may())
        await asyncio.sleep(0)

        first.cancel()
        site.memberships.answering.set()

        assert await second
        assert site.memberships.questions == 2


class TestChanges:
    """An answer is forgotten when a change is heard of."""

    async def test_heard(self, site: Site) -> None:
        async with site.running():
            assert not await site.may()

            await site.memory.put([ANN])

            async with asyncio.timeout(DEADLINE):
                while not await site.may():
                    await asyncio.sleep(0)

    @pytest.mark.parametrize("change,count", [(Put(ANN), 3), (Removed(ANN), 3), (Missed(), 4)])
    async def test_forgotten(self, site: Site, change: Put | Removed | Missed, count: int) -> None:
        """A change touches its own membership; after missed ones all are asked for again."""
        await site.may()
        await site.may("private-y.5")

        site.decisions.heed(change)
        await site.may()
        await site.may("private-y.5")

        assert site.memberships.questions == count

    @pytest.mark.parametrize("change", [Removed(ANN), Missed()])
    async def test_overtaken(self, site: Site, change: Removed | Missed) -> None:
        """An answer that was on its way when the change came is that of before: it is asked for again."""
        await site.memory.put([ANN])
        site.memberships.answering.clear()
        asked = asyncio.create_task(site.may())
        await site.memberships.asked.wait()

        await site.memory.remove([ANN])
        site.decisions.heed(change)
        late = asyncio.create_task(site.may())
        await asyncio.sleep(0)
        site.memberships.answering.set()

        assert not await asked
        assert not await late
        assert not await site.may()

    async def test_replaced(self, site: Site) -> None:
        """Other policies count at once."""
        site.decisions.replace(
            Policies([ChannelPolicy(app="1", pattern="private-x.{id}", allow="true")])
        )

        assert await site.may()


class TestRemovals:
    """A membership that ended is told to every gateway."""

    async def orders(self, site: Site, count: int) -> list[Order]:
        told: list[Order] = []
        async with asyncio.timeout(DEADLINE), site.control.listen() as listener:
            while len(told) < count:
                told += await listener.receive(DEADLINE)
        return told

    async def test_told(self, site: Site) -> None:
        await site.memory.put([ANN])
        async with site.running():
            await site.memory.remove([ANN])

            (order,) = await self.orders(site, 1)

        assert (order.verb, order.app, order.subject, order.channels) == (
            "expel",
            "1",
            "7",
            ("private-x.5",),
        )

    async def test_only_what_opened_something(self, site: Site) -> None:
        """Groups that no policy asks for concern no gateway."""
        other = ANN._replace(group="z:5")
        await site.memory.put([ANN, other])
        async with site.running():
            await site.memory.remove([other])
            await site.memory.remove([ANN])

            (order,) = await self.orders(site, 1)

        assert order.channels == ("private-x.5",)

    async def test_written_anew(self, site: Site) -> None:
        """A membership that is there again closes nothing."""
        gone = ANN._replace(user="8")
        await site.memory.put([ANN, gone])
        async with site.running():
            await site.memory.remove([ANN, gone])
            await site.memory.put([ANN])

            (order,) = await self.orders(site, 1)

        assert order.subject == "8"

    async def test_unknown_whether_back(self, site: Site) -> None:
        """While nobody can tell whether it is there again, it counts as ended."""
        await site.memory.put([ANN])
        async with site.running():
            site.memberships.is_away = True
            await site.memory.remove([ANN])

            (order,) = await self.orders(site, 1)

        assert order.subject == "7"

    async def test_control_away(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """An order that could not be sent is sent when control is back."""
        send, failures = site.control.send, iter([True, True])

        async def flaky(order: Order) -> None:
            if next(failures, False):
                raise Unavailable("control")
            await send(order)

        monkeypatch.setattr(site.control, "send", flaky)
        await site.memory.put([ANN])
        async with site.running():
            await site.memory.remove([ANN])

            (order,) = await self.orders(site, 1)

        assert order.subject == "7"
