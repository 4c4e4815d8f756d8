"""The contract of `leases.port.Leases`, by what it does to the roster, on every adapter."""

import asyncio

import pytest

from libs.common.channels import Channel
from libs.common.leases.port import LeaseLost, Leases
from libs.common.roster.port import Members, Seat
from tests.support.deadline import DEADLINE
from tests.support.ports.rosters import (
    CHANNEL,
    LONG,
    SHORT,
    Deployment,
    Ear,
    read,
    request,
    seated,
    sweep_away,
)

OTHER = Channel("1", "presence-hall")


class TestLease:
    """Seats are kept by their gateway's lease."""

    async def test_lapsed(self, site: Deployment, ear: Ear) -> None:
        """A gateway whose lease lapsed loses its seats, each announced once; others keep theirs."""
        await site.leases.renew("dead", ttl=SHORT)
        await seated(
            site.roster,
            *(
                request(CHANNEL, f"u{n}", socket_id=f"{n}.1", gateway="dead", info=str(n))
                for n in range(100)
            ),
            request(CHANNEL, "u7", socket_id="7.2", gateway="g1"),
            request(OTHER, "u7", socket_id="7.2", gateway="g1"),
        )
        await ear.heard()

        cleared = 0
        async with asyncio.timeout(DEADLINE):
            while cleared < 100:
                cleared += sum(
                    await asyncio.gather(
                        site.leases.sweep(grace=0), site.other_leases.sweep(grace=0)
                    )
                )
                await asyncio.sleep(0)

        left = [(transition.user_id, transition.info) for transition in await ear.heard()]
        assert cleared == 100
        assert sorted(left) == sorted((f"u{n}", None) for n in range(100) if n != 7)
        assert (await read(site)).infos == {"u7": "7"}
        assert (await site.roster.members([OTHER]))[0].infos.keys() == {"u7"}

    async def test_released(self, site: Deployment) -> None:
        """A released lease has lapsed at once, whatever its ttl was."""
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1"))

        await site.other_leases.release("g1")

        await sweep_away(site.other_leases, 1)
        assert (await read(site)).infos == {}

    async def test_release_waits_for_the_grace(self, site: Deployment) -> None:
        """A released gateway's seats stay while the grace period lasts."""
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1"))

        await site.leases.release("g1")

        assert await site.other_leases.sweep(grace=LONG) == 0
        assert (await read(site)).infos.keys() == {"ann"}

    async def test_release_of_a_stranger(self, site: Deployment) -> None:
        """Releasing a lease that was never taken is nothing."""
        await site.leases.release("stranger")
        await site.leases.sweep(grace=0)

        await site.leases.renew("stranger", ttl=LONG)

    async def test_renewed(self, site: Deployment) -> None:
        """A renewed lease keeps the seats."""
        await site.leases.renew("g1", ttl=SHORT)
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1"))
        await site.leases.renew("g1", ttl=LONG)

        assert await site.leases.sweep(grace=0) == 0
        assert (await read(site)).infos.keys() == {"ann"}

    async def test_renewed_in_the_grace_period(self, site: Deployment) -> None:
        """A gateway that renews its lease while the grace period lasts loses nothing."""
        await site.leases.renew("g1", ttl=-1)
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1"))
        assert await site.other_leases.sweep(grace=LONG) == 0

        await site.leases.renew("g1", ttl=LONG)

        assert await site.other_leases.sweep(grace=0) == 0
        assert (await read(site)).infos.keys() == {"ann"}

    async def test_outage(self, site: Deployment) -> None:
        """The grace begins with the first sweep: leases that lapsed while nobody swept are kept."""
        await site.leases.renew("g1", ttl=-2 * LONG)
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1"))

        assert await site.other_leases.sweep(grace=LONG) == 0

        await site.leases.renew("g1", ttl=LONG)
        assert (await read(site)).infos.keys() == {"ann"}

    async def test_had_a_lease(self, site: Deployment) -> None:
        """A renewal tells whether the gateway had a lease; joining and lapsing give none."""
        taken = await site.leases.renew("g3", ttl=LONG)
        renewed = await site.other_leases.renew("g3", ttl=-1)
        await site.leases.sweep(grace=LONG)
        lapsed = await site.leases.renew("g3", ttl=LONG)
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1", gateway="g4"))
        joined = await site.leases.renew("g4", ttl=LONG)

        assert (taken, renewed, lapsed, joined) == (False, True, False, False)
        assert await site.other_leases.renew("g4", ttl=LONG)

    async def test_never_taken(self, site: Deployment) -> None:
        """Seats of a gateway without a lease do not stay for ever."""
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1", gateway="ghost"))

        await sweep_away(site.other_leases, 1)

        assert (await read(site)).infos == {}

    async def test_cleared_is_refused(self, site: Deployment, ear: Ear) -> None:
        """A cleared gateway gets no seat and no lease any more, in no channel."""
        channels = [Channel("1", f"presence-{n}") for n in range(20)]
        ann = request(CHANNEL, "ann", socket_id="1.1")
        await seated(site.roster, ann)
        await site.leases.release("g1")
        await sweep_away(site.other_leases, 1)
        await ear.heard()

        answers = await site.roster.join(
            [ann, *(request(channel, "ann", socket_id="1.1") for channel in channels)]
        )

        assert all(isinstance(answer, LeaseLost) for answer in answers)
        with pytest.raises(LeaseLost):
            await site.leases.renew("g1", ttl=LONG)
        assert await ear.heard() == []

    async def test_refused_alone(self, site: Deployment) -> None:
        """That one gateway was cleared is nothing to another one's request beside it."""
        await site.leases.release("g1")
        await site.leases.sweep(grace=0)

        lost, members = await site.roster.join(
            [
                request(CHANNEL, "ann", socket_id="1.1", gateway="g1"),
                request(CHANNEL, "bob", socket_id="2.1", gateway="g2"),
            ]
        )

        assert isinstance(lost, LeaseLost)
        assert isinstance(members, Members)
        assert members.infos.keys() == {"bob"}

    async def test_leaving_when_it_lapses(self, site: Deployment, ear: Ear) -> None:
        """A seat in its grace goes with its gateway's other seats, once."""
        ann = request(CHANNEL, "ann", socket_id="1.1")
        await seated(site.roster, ann)
        await site.roster.leave([ann.seat], grace=LONG)
        await site.leases.release("g1")

        await sweep_away(site.leases, 1)

        assert [transition.info for transition in await ear.heard()] == ["{}", None]


class TestProlonged:
    """A lease can be renewed beside the gateway's event loop, and none be taken so."""

    async def test_keeps_the_seats(self, site: Deployment) -> None:
        """A prolonged lease is a renewed one, whichever thread and event loop did it."""
        await site.leases.renew("g1", ttl=SHORT)
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1"))

        was_held = await asyncio.to_thread(asyncio.run, prolonged_apart(site.leases, "g1"))

        assert was_held
        assert await sweeps(site) == 0
        assert (await read(site)).infos.keys() == {"ann"}
        assert await site.leases.renew("g1", ttl=LONG)

    async def test_in_the_grace_period(self, site: Deployment) -> None:
        """A lease that lapsed is still there while its grace lasts."""
        await site.leases.renew("g1", ttl=-1)
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1"))
        await site.other_leases.sweep(grace=LONG)

        assert await site.leases.prolong("g1", ttl=LONG)

        assert await sweeps(site) == 0
        assert (await read(site)).infos.keys() == {"ann"}

    async def test_never_taken(self, site: Deployment) -> None:
        """Who has no lease gets none, though it has seats: they go."""
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1", gateway="ghost"))

        assert not await site.leases.prolong("ghost", ttl=LONG)
        assert not await site.leases.prolong("stranger", ttl=LONG)

        await sweep_away(site.other_leases, 1)
        assert not await site.leases.renew("stranger", ttl=LONG)

    async def test_released(self, site: Deployment) -> None:
        """Whoever released its lease has none, also before a sweep saw it."""
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1"))
        await site.leases.release("g1")

        assert not await site.leases.prolong("g1", ttl=LONG)

        await sweep_away(site.other_leases, 1)

    async def test_cleared(self, site: Deployment) -> None:
        """Nor has whoever was cleared; it is refused as before."""
        await site.leases.renew("g1", ttl=-1)
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1"))
        await site.leases.sweep(grace=0)

        assert not await site.other_leases.prolong("g1", ttl=LONG)

        with pytest.raises(LeaseLost):
            await site.leases.renew("g1", ttl=LONG)


async def prolonged_apart(leases: Leases, gateway: str) -> bool:
    """Prolong a lease on the event loop that this runs on."""
    async with asyncio.timeout(DEADLINE), leases.apart() as apart:
        return await apart.prolong(gateway, ttl=LONG)


async def sweeps(site: Deployment) -> int:
    """Sweep twice, with no grace, and return how much was taken away."""
    return await site.leases.sweep(grace=0) + await site.other_leases.sweep(grace=0)


class TestGivenUp:
    """Gateways are counted that stopped renewing, and nothing else of what a sweep takes away."""

    async def test_stopped_renewing(self, site: Deployment) -> None:
        """A gateway is counted when it is cleared, once for all sweepers, whatever it holds."""
        await site.leases.renew("empty", ttl=-1)
        await site.leases.renew("full", ttl=-1)
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1", gateway="full"))
        await site.leases.sweep(grace=LONG)
        early = site.leases.given_up

        await asyncio.gather(site.leases.sweep(grace=0), site.other_leases.sweep(grace=0))
        await sweep_all(site)

        assert (early, given_up(site)) == (0, 2)

    async def test_departures(self, site: Deployment) -> None:
        """Members who leave while their gateway lives are nobody's end."""
        ann = request(CHANNEL, "ann", socket_id="1.1")
        await seated(site.roster, ann)
        await site.roster.leave([ann.seat], grace=SHORT)

        await sweep_away(site.other_leases, 1)

        assert given_up(site) == 0

    async def test_released(self, site: Deployment) -> None:
        """Nor is a gateway given up that ended in order, with seats, or late though it did."""
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1"))
        await site.leases.release("g1")
        await site.leases.renew("late", ttl=-1)
        await site.leases.sweep(grace=LONG)
        await site.leases.release("late")

        await sweep_all(site)

        assert given_up(site) == 0

    async def test_came_back(self, site: Deployment) -> None:
        """Nor one that renewed in the grace; if it stops again, it is counted then."""
        await site.leases.renew("g2", ttl=-1)
        await site.leases.sweep(grace=LONG)
        await site.leases.renew("g2", ttl=-1)
        await site.leases.sweep(grace=LONG)
        early = given_up(site)

        await sweep_all(site)

        assert (early, given_up(site)) == (0, 1)


async def sweep_all(site: Deployment) -> None:
    """Sweep, with no grace, until there is nothing left."""
    async with asyncio.timeout(DEADLINE):
        while await site.leases.sweep(grace=0) or await site.other_leases.sweep(grace=0):
            await asyncio.sleep(0)  # For the deadline: leases in memory never wait.


def given_up(site: Deployment) -> int:
    """Count the gateways that were given up, by all who sweep."""
    return sum(leases.given_up for leases in {site.leases, site.other_leases})


class TestNewName:
    """A gateway that lost its lease returns under a new name, with the connections that it has."""

    async def test_seats_pass(self, site: Deployment, ear: Ear) -> None:
        """Seats pass to the new name unannounced, and clearing the old one leaves them alone."""
        old = request(CHANNEL, "ann", socket_id="1.1", gateway="g1")
        new = request(CHANNEL, "ann", socket_id="1.1", gateway="g2")
        gone = request(CHANNEL, "bob", socket_id="1.2", gateway="g1")
        await seated(site.roster, old, gone)
        await ear.heard()

        await seated(site.roster, new)
        await site.leases.release("g1")
        await sweep_away(site.other_leases, 1)

        assert [(one.user_id, one.info) for one in await ear.heard()] == [("bob", None)]
        assert (await read(site)).infos.keys() == {"ann"}

    async def test_old_name_cannot_leave(self, site: Deployment) -> None:
        """A leave under the old name, at once or with grace, does not touch the seat."""
        old = request(CHANNEL, "ann", socket_id="1.1", gateway="g1")
        await seated(site.roster, old)
        await site.roster.leave([old.seat], grace=SHORT)
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1", gateway="g2"))

        await site.roster.leave([old.seat], grace=0)
        await site.roster.leave([old.seat], grace=SHORT)
        await site.leases.release("g1")
        await site.leases.sweep(grace=0)

        assert (await read(site)).infos.keys() == {"ann"}

    async def test_new_name_can_leave(self, site: Deployment) -> None:
        """The seat is the new name's: it leaves, and goes with that one's lease."""
        for socket_id in ("1.1", "1.2"):
            await seated(
                site.roster,
                request(CHANNEL, socket_id, socket_id=socket_id, gateway="g1"),
                request(CHANNEL, socket_id, socket_id=socket_id, gateway="g2"),
            )

        await site.roster.leave([Seat(CHANNEL, "1.1", "g2")], grace=0)
        await site.leases.release("g2")
        await sweep_away(site.leases, 1)

        assert (await read(site)).infos == {}
