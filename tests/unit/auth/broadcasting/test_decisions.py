"""Decisions: what policies and memberships say, and what is told when a membership ends."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from math import ceil

import pytest
from structlog.testing import capture_logs

from libs.common.config.secret import Secret
from libs.common.control.commands import Command
from libs.common.control.memory import MemoryControl
from libs.common.errors import Unavailable
from libs.common.memberships.membership import Membership, Put, Removed
from libs.common.memberships.memory import MemoryMemberships
from libs.common.policies.policies import Policies
from libs.common.policies.settings import ChannelPolicy
from services.auth.broadcasting.decisions import Decisions
from services.auth.identity.bearer_tokens import Identity
from services.auth.memberships.expulsion import Terms
from services.auth.memberships.removals import MAX_WAITING, Removals
from services.auth.settings import Issuer, MembershipSettings
from tests.support.deadline import DEADLINE
from tests.support.ports.memberships import Breaking

TERMS = Terms(answers=60.0, permissions=3600.0)
ISSUER = Issuer(issuer="i", audience="a", secret=Secret("s" * 32))
USER = Identity("7", {}, {"ok": True}, ISSUER)
ANN = Membership("1", "7", "x:5")
POLICIES = Policies(
    [
        ChannelPolicy(app="1", pattern="private-x.{id}", member_of="x:{id}"),
        ChannelPolicy(app="1", pattern="private-y.{id}", member_of="y:{id}", allow="claims.ok"),
        ChannelPolicy(app="1", pattern="private-open", allow="claims.ok"),
    ]
)


class Interrupted:
    """
    Control in memory that can be cut off.  See `Control`.

    Attributes:
        is_away: Asked before each command; true: control is away for it.
    """

    def __init__(self) -> None:
        self._inner = MemoryControl()
        self.listen = self._inner.listen
        self.is_away: Callable[[], bool] = lambda: False

    async def check(self) -> None:
        raise NotImplementedError

    async def send(self, command: Command, *, most: int = 0) -> None:
        """See `Control.send`."""
        if self.is_away():
            raise Unavailable("control")
        await self._inner.send(command, most=most)

    async def check_room(self, app: str, verb: str, *, most: int) -> None:
        raise NotImplementedError


@dataclass
class Site:
    """Decisions around memberships in memory."""

    now: float = field(default_factory=time.time)
    control: Interrupted = field(default_factory=Interrupted)

    def __post_init__(self) -> None:
        self.memory = MemoryMemberships(lambda: self.now)
        self.memberships = Breaking(self.memory)
        self.removals = Removals(
            POLICIES,
            self.memberships,
            control=self.control,
            clock=lambda: self.now,
            terms=lambda: TERMS,
        )
        self.decisions = Decisions(
            POLICIES,
            self.memberships,
            settings=MembershipSettings(),
            removals=self.removals,
        )

    async def may(self, channel: str = "private-x.5") -> bool:
        async with asyncio.timeout(DEADLINE):
            return (await self.decisions.decide("1", channel, USER)).allowed

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have it hear of changes."""
        listening = asyncio.create_task(self.decisions.run())
        try:
            async with asyncio.timeout(DEADLINE):
                await self.memberships.listened.wait()
            yield
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening


@pytest.fixture
def site() -> Site:
    return Site()


class TestDecided:
    """Policies decide, and where they ask for a membership, that."""

    async def test_member(self, site: Site) -> None:
        await site.memory.put([ANN])

        async with site.running():
            assert await site.may()
            assert not await site.may("private-x.6")
            assert not await site.may("private-y.5")

    async def test_without_membership(self, site: Site) -> None:
        """Policies that ask for none ask nobody."""
        assert await site.may("private-open")
        assert not await site.may("private-unknown")

        assert site.memberships.questions == 0

    async def test_away(self, site: Site) -> None:
        site.memberships.is_away = True
        async with site.running():
            with pytest.raises(Unavailable):
                await site.may()

    async def test_heard(self, site: Site) -> None:
        """What was answered is forgotten when a change is heard of."""
        async with site.running():
            assert not await site.may()

            await site.memory.put([ANN])

            async with asyncio.timeout(DEADLINE):
                while not await site.may():
                    await asyncio.sleep(0)

    async def test_heeded(self, site: Site) -> None:
        """Whoever changed it here need not wait until it is heard of."""
        site.memberships.heard_from(MemoryMemberships())  # Where nothing changes.
        async with site.running():
            assert not await site.may()
            await site.memory.put([ANN])
            assert not await site.may()

            site.decisions.heed(Put(ANN))

            assert await site.may()

    async def test_replaced(self, site: Site) -> None:
        """Other policies count at once."""
        site.decisions.replace(
            Policies([ChannelPolicy(app="1", pattern="private-x.{id}", allow="true")])
        )

        assert await site.may()


class TestRemovals:
    """A membership that ended is told to every gateway."""

    async def commands(self, site: Site, count: int) -> list[Command]:
        told: list[Command] = []
        async with asyncio.timeout(DEADLINE), site.control.listen() as listener:
            while len(told) < count:
                told += await listener.receive(DEADLINE)
        return told

    async def test_told(self, site: Site) -> None:
        await site.memory.put([ANN])
        async with site.running():
            await site.memory.remove([ANN])

            (command,) = await self.commands(site, 1)

        assert (command.verb, command.app, command.subject, command.channels) == (
            "expel",
            "1",
            "7",
            ("private-x.5",),
        )

    async def test_nobody_listened(self, site: Site) -> None:
        """What was removed before this process listened is told, as of the last answer from before that counted."""
        await site.memory.put([ANN])
        await site.memory.remove([ANN])
        removed_at = site.now
        site.now += 600.0

        async with site.running():
            (command,) = await self.commands(site, 1)

        assert (command.subject, command.channels) == ("7", ("private-x.5",))
        assert command.issued_at == ceil(removed_at + TERMS.answers)
        assert command.expires_at == command.issued_at + TERMS.permissions

    async def test_many(self, site: Site) -> None:
        """Of many some are there again; whether they are is asked together."""
        many = [ANN._replace(user=str(number)) for number in range(50)]
        await site.memory.put(many)
        await site.memory.remove(many)
        await site.memory.put(many[::2])
        site.memberships.told = 7

        async with site.running():
            commands = await self.commands(site, 25)

        assert {command.subject for command in commands} == {each.user for each in many[1::2]}
        assert len(site.memberships.calls) < 20

    async def test_only_what_opened_something(self, site: Site) -> None:
        """Groups that no policy asks for concern no gateway."""
        other = ANN._replace(group="z:5")
        await site.memory.put([ANN, other])
        async with site.running():
            await site.memory.remove([other])
            await site.memory.remove([ANN])

            (command,) = await self.commands(site, 1)

        assert command.channels == ("private-x.5",)

    async def test_written_anew(self, site: Site) -> None:
        """A membership that is there again closes nothing."""
        gone = ANN._replace(user="8")
        await site.memory.put([ANN, gone])
        async with site.running():
            await site.memory.remove([ANN, gone])
            await site.memory.put([ANN])

            (command,) = await self.commands(site, 1)

        assert command.subject == "8"

    async def test_unknown_whether_back(self, site: Site) -> None:
        """While nobody can tell whether it is there again, it counts as ended."""
        await site.memory.put([ANN])
        async with site.running():
            site.memberships.is_away = True
            await site.memory.remove([ANN])

            (command,) = await self.commands(site, 1)

        assert command.subject == "7"

    async def test_too_many(self, site: Site) -> None:
        """Of removals that nobody could be told of yet the oldest is given up, and the log says so."""
        with capture_logs() as logs:
            for number in range(MAX_WAITING + 1):
                site.removals.add(Removed(ANN._replace(user=str(number)), site.now))

        assert [(line["event"], line["group"]) for line in logs] == [("removals.given_up", "x:5")]

    async def test_control_away_for_too_long(self, site: Site) -> None:
        """A command that nobody took until it expired is given up, and the log says so."""
        tried = asyncio.Event()

        def is_away() -> bool:
            site.now += TERMS.answers + TERMS.permissions
            tried.set()
            return True

        site.control.is_away = is_away
        await site.memory.put([ANN])
        with capture_logs() as logs:
            async with site.running():
                await site.memory.remove([ANN])
                async with asyncio.timeout(DEADLINE):
                    await tried.wait()
                    while not logs:
                        await asyncio.sleep(0)

        assert [line["event"] for line in logs] == ["removals.given_up"]

    async def test_control_away(self, site: Site) -> None:
        """A command that could not be sent is sent when control is back."""
        failures = iter([True, True])
        site.control.is_away = lambda: next(failures, False)
        await site.memory.put([ANN])
        async with site.running():
            await site.memory.remove([ANN])

            (command,) = await self.commands(site, 1)

        assert command.subject == "7"
