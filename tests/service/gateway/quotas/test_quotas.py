"""Quotas of connections of an app over real sockets: on all gateways together, and without leaks."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from libs.common.apps.memory import MemoryApps
from libs.common.errors import Unavailable
from libs.common.tally.port import Count, Outcome
from services.gateway.lease import Lease
from tests.support.deadline import DEADLINE
from tests.support.fakes.faults import FaultyBus, FaultyRoster
from tests.support.fakes.tallies import stand
from tests.support.services.gateway import APP, QUICK, place, until
from tests.support.services.quotas import (
    WHOLE,
    SlowTally,
    expect_let_in,
    expect_refused,
    expect_sent_away,
    held,
    limited,
    limited_app,
    sign_in,
    slow,
    until_nothing_is_held,
)

SOON = replace(QUICK, room_margin=0.1)


class PartlyAway(SlowTally):
    """A tally that is away for one app."""

    def __init__(self, bus: FaultyBus, roster: FaultyRoster) -> None:
        super().__init__(bus, roster)
        self.is_away_in_part = True

    async def report(self, gateway: str, counts: Sequence[Count]) -> list[Outcome | Unavailable]:
        """See `Tally.report`."""
        answers = await super().report(gateway, counts)
        away = [self.is_away_in_part and count.subject.app == APP.id for count in counts]
        self.refusals += any(away)
        return [
            Unavailable("roster") if is_away else answer
            for is_away, answer in zip(away, answers, strict=True)
        ]


class TestApp:
    """docs/protocol.md, "Error codes", 4004: clients give up."""

    async def test_on_all_gateways(self) -> None:
        """
        Those above the app's limit are refused on whichever gateway, and there is room again after a close.
        """
        often: dict[str, Any] = {"apps": limited(connections=2), "lease_renew": 0.05}
        async with (
            place(**often) as here,
            place(bus=here.bus, roster=here.roster, tally=here.tally, **often) as there,
        ):
            first, second = await here.connect(), await there.connect()

            await expect_refused(here, 4004)
            await expect_refused(there, 4004)
            await second.close()
            await until(lambda: held(here, WHOLE) == 1)

            third = await here.connect()
            await expect_let_in(first, third)
            assert here.gateway.counters.refused == there.gateway.counters.refused == {4004: 1}

    async def test_storm(self) -> None:
        """
        Of many who come at once exactly as many stay as may, and they cost a few reports.
        """
        async with slow(limited(connections=5)) as (here, tally):
            tally.answers.clear()
            clients = [await here.open() for _ in range(40)]
            await until(lambda: here.gateway.state().newcomers >= 39)
            tally.answers.set()

            messages = [await client.read() for client in clients]

            events = [message["event"] for message in messages]
            assert events.count("pusher:connection_established") == 5
            assert events.count("pusher:error") == 35
            assert len(tally.reports) < 10
            assert held(here, WHOLE) == 5

    async def test_in_doubt(self) -> None:
        """
        While a gateway is counted whose lease has lapsed, clients are told to come back; when it is cleared they may.
        """
        async with place(apps=limited(connections=2), lease_renew=0.05, timers=SOON) as here:
            await stand(here.tally.inner, "a dead one", WHOLE, 2)

            await expect_refused(here, 4100)
            await until(lambda: "a dead one" in here.roster.inner_leases._lapsed)
            here.roster.ahead = 2 * DEADLINE  # The grace period of a lapsed lease is over.
            await until(lambda: held(here, WHOLE) == 0)

            await here.connect()

    async def test_just_died(self) -> None:
        """
        The clients of a gateway that has just died are told to come back, although its lease still holds.
        """
        async with place(apps=limited(connections=2), lease_renew=0.05, timers=SOON) as here:
            await here.roster.renew("a dead one", ttl=DEADLINE)
            await stand(here.tally.inner, "a dead one", WHOLE, 2)

            await expect_refused(here, 4100)

    async def test_alive(self) -> None:
        """
        Where the gateways that are counted go on renewing, a client beyond the quota is told to give up.
        """
        async with place(apps=limited(connections=2), lease_renew=0.05) as here:
            other = Lease(here.roster, ttl=DEADLINE, interval=0.05, unseated=asyncio.Event())
            renewing = asyncio.create_task(other.run())
            await until(lambda: other.name in here.roster.leases())
            await stand(here.tally.inner, other.name, WHOLE, 2)

            await expect_refused(here, 4004)

            renewing.cancel()
            await asyncio.wait([renewing])

    async def test_tally_away(self) -> None:
        """
        While it cannot be told whether there is room clients are told to come back; who is here stays.
        """
        async with place(apps=limited(connections=2)) as here:
            client = await here.connect()
            here.tally.is_away = True

            await expect_refused(here, 4100)
            await client.expect_nothing_else()
            here.tally.is_away = False

            other = await here.connect()
            await expect_refused(here, 4004)
            await expect_let_in(client, other)

    async def test_without_limits(self) -> None:
        """
        Clients of an app without limits wait for nothing; they are counted once that is possible.
        """
        async with place() as here:
            here.tally.is_away = True
            client, other = await here.connect(), await here.connect()
            await sign_in(client, "ann")
            await until(lambda: here.tally.refusals > 0)
            await other.expect_nothing_else()

            here.tally.is_away = False

            await until(lambda: held(here, WHOLE) == 2)

    async def test_others_do_not_wait(self) -> None:
        """
        Where the tally is away in part, whoever does not need that part does not wait for it.
        """
        never = replace(QUICK, retry_first=2 * DEADLINE, retry_longest=2 * DEADLINE)
        another = msgspec.structs.replace(limited_app(connections=1), id="2", key="other-key")
        bus = FaultyBus()
        roster = FaultyRoster(bus)
        tally = PartlyAway(bus, roster)
        apps = MemoryApps([APP, another])
        async with place(bus=bus, roster=roster, tally=tally, apps=apps, timers=never) as here:
            tally.answers.clear()
            client = await here.connect()
            await until(lambda: len(tally.reports) == 1)
            other = await here.open("/app/other-key?protocol=7")
            await until(lambda: here.gateway.state().newcomers == 1)
            tally.answers.set()

            await other.greeted()

            await expect_sent_away(await here.open("/app/other-key?protocol=7"), 4004)
            await expect_let_in(client, other)
            tally.is_away_in_part = False
            await expect_sent_away(await here.open("/app/other-key?protocol=7"), 4004)
            await until(lambda: held(here, WHOLE) == 1)

    async def test_lowered(self) -> None:
        """
        A limit that is lowered ends nobody.
        """
        apps = limited(connections=3)
        async with place(apps=apps) as here:
            clients = [await here.connect() for _ in range(3)]

            apps.adopt([limited_app(connections=1)])

            await expect_refused(here, 4004)
            await expect_let_in(*clients)

    async def test_introduced(self) -> None:
        """
        A limit that is introduced counts those who were here before.
        """
        apps = limited()
        async with place(apps=apps) as here:
            clients = [await here.connect() for _ in range(2)]

            apps.adopt([limited_app(connections=9, connections_per_address=2)])

            await expect_refused(here, 4004)
            await expect_let_in(*clients)

    async def test_lease_lost(self) -> None:
        """
        Under a new name the gateway counts all that it has.
        """
        async with place(apps=limited(connections=2), lease_renew=0.05) as here:
            first = await here.connect()
            former = here.gateway.state().name
            await until(lambda: held(here, WHOLE) == 1)

            here.roster.clear(former)
            here.tally.clear(former)

            await until(lambda: here.gateway.state().name != former and held(here, WHOLE) == 1)
            second = await here.connect()
            await expect_refused(here, 4004)
            await expect_let_in(first, second)


class TestNoLeak:
    """What is counted goes with who it was counted for."""

    async def test_everything(self) -> None:
        """
        When everybody has gone, whether let in or not, the tally holds nothing.
        """
        limits = {"connections": 4, "connections_per_address": 3, "connections_per_user": 1}
        apps = limited("company", connections_per_tenant=2, **limits)
        async with place(apps=apps) as here:
            clients = [await here.connect() for _ in range(3)]
            await expect_refused(here, 4004)
            for client, user in zip(clients, ("ann", "ann", "bob"), strict=True):
                await sign_in(client, user, {"company": "acme"})
            await clients[0].subscribe("private-a")
            await expect_sent_away(clients[1], 4004)
            here.tally.is_away = True
            await expect_refused(here, 4100)

            for client in clients:
                await client.close()
            here.tally.is_away = False

            await until_nothing_is_held(here)

    async def test_drained(self) -> None:
        """
        A gateway that has drained is counted with nothing.
        """
        async with place(apps=limited(connections=2)) as here:
            client = await here.join("a")
            await until(lambda: len(here.tally.subjects()) == 2)

            async with asyncio.timeout(DEADLINE):
                await asyncio.gather(here.gateway.drain(), expect_sent_away(client, 4200))

            assert here.tally.subjects() == set()
