"""The contract of `tally.port.Tally`, on every adapter."""

import asyncio
import math
import time

import pytest

from libs.common.channels import Channel
from libs.common.leases.port import LeaseLost
from libs.common.tally.port import Count, Outcome, Subject
from tests.support.fakes.tallies import counted, stand, subscriptions, total
from tests.support.ports.rosters import CHANNEL, LONG, Deployment, Ear, sweep_away

GRAIN = 0.002  # Seconds: Redis tells whole milliseconds.
ROOM = subscriptions(CHANNEL)
APP = Subject("app", "1")
STRANGE = [
    Subject("channel", "1", "private-a,b;c=d@e.f-_"),
    Subject("channel", "1", "#server-to-user-7"),
    Subject("user", "1", "Zoë Müller/☃ {x} 2"),
    Subject("user", "1", " "),
    Subject("user", "app with blanks", "a b"),
    Subject("tenant", "1", "urn:tenant:ACME/7"),
    Subject("address", "1", "2001:db8::ff00:42:8329"),
    Subject("address", "1", "::ffff:192.0.2.1"),
    Subject("app", "1"),
]


class TestReport:
    """A gateway says how many it has, not by how many that changed."""

    async def test_over_gateways(self, site: Deployment) -> None:
        """The total is that of all gateways, and every process reads it."""
        await stand(site.tally, "g1", APP, 3)
        outcome = await stand(site.other_tally, "g2", APP, 4)

        assert outcome == Outcome(held=4, total=7)
        assert await site.tally.totals([APP]) == await site.other_tally.totals([APP]) == [7]

    async def test_repeated(self, site: Deployment, ear: Ear) -> None:
        """Reporting twice is the same as once."""
        first = await stand(site.tally, "g1", ROOM, 3)
        again = await stand(site.other_tally, "g1", ROOM, 3)

        assert first == again == Outcome(held=3, total=3)
        assert await ear.counted() == counted(CHANNEL, 3)

    async def test_up_and_down(self, site: Deployment, ear: Ear) -> None:
        """Each change of the total is announced, down to none."""
        for number in (1, 2, 5, 1, 0):
            assert (await stand(site.tally, "g1", ROOM, number)).total == number

        assert await ear.counted() == counted(CHANNEL, 1, 2, 5, 1, 0)
        assert await site.tally.totals([ROOM]) == [0]

    async def test_others_hear(self, site: Deployment, ear: Ear) -> None:
        """What is announced is the total of all gateways."""
        await stand(site.tally, "g1", ROOM, 2)
        await stand(site.other_tally, "g2", ROOM, 3)
        await stand(site.tally, "g1", ROOM, 0)

        assert await ear.counted() == counted(CHANNEL, 2, 5, 3)

    async def test_not_announced(self, site: Deployment, ear: Ear) -> None:
        """A count that need not be announced is not."""
        await site.tally.report("g1", [Count(ROOM, 2)])

        assert await ear.counted() == []
        assert await total(site.other_tally, ROOM) == 2

    async def test_many(self, site: Deployment) -> None:
        """Each of many counts is answered in its place."""
        counts = [Count(Subject("user", "1", f"u{number}"), number) for number in range(1, 500)]

        outcomes = await site.tally.report("g1", counts)

        assert outcomes == [Outcome(one.number, one.number) for one in counts]
        subjects = [one.subject for one in counts]
        assert await site.other_tally.totals(subjects) == [one.number for one in counts]

    async def test_twice_in_one_call(self, site: Deployment) -> None:
        """Of two counts of one subject the later holds."""
        outcomes = await site.tally.report("g1", [Count(APP, 5), Count(APP, 2)])

        assert outcomes == [Outcome(5, 5), Outcome(2, 2)]
        assert await total(site.tally, APP) == 2

    async def test_none(self, site: Deployment) -> None:
        """Nothing asked, nothing answered; what nobody has is 0."""
        assert await site.tally.report("g1", []) == []
        assert await site.tally.totals([]) == []
        assert await stand(site.tally, "g1", APP, 0) == Outcome(0, 0)
        assert await site.tally.totals([APP, ROOM]) == [0, 0]

    async def test_strange_names(self, site: Deployment) -> None:
        """Any text names a subject; each is counted for itself, and cleared."""
        counts = [Count(subject, number) for number, subject in enumerate(STRANGE, 1)]

        outcomes = await site.tally.report("g1", counts)

        assert outcomes == [Outcome(one.number, one.number) for one in counts]
        assert await site.other_tally.totals(STRANGE) == [one.number for one in counts]
        await site.leases.release("g1")
        await sweep_away(site.other_leases, len(STRANGE))
        assert await site.other_tally.totals(STRANGE) == [0] * len(STRANGE)

    async def test_kinds_apart(self, site: Deployment) -> None:
        """Subjects of one name are apart by kind and by app."""
        subjects = [
            Subject("user", "1", "x"),
            Subject("tenant", "1", "x"),
            Subject("address", "1", "x"),
            Subject("channel", "1", "x"),
            Subject("user", "2", "x"),
        ]

        await site.tally.report("g1", [Count(one, place) for place, one in enumerate(subjects, 1)])

        assert await site.tally.totals(subjects) == [1, 2, 3, 4, 5]


class TestLimit:
    """A count is raised as far as its limit allows, and never lowered below what was had."""

    async def test_as_far_as_allowed(self, site: Deployment) -> None:
        """What is above the limit of all together is not counted."""
        await stand(site.tally, "g1", APP, 4)

        assert await stand(site.other_tally, "g2", APP, 9, limit=10) == Outcome(6, 10)
        assert await stand(site.other_tally, "g2", APP, 7, limit=10) == Outcome(6, 10)
        assert await stand(site.tally, "g1", APP, 5, limit=10) == Outcome(4, 10)

    async def test_full(self, site: Deployment, ear: Ear) -> None:
        """Nothing is left of a limit that others fill; nothing changed, nothing is announced."""
        await stand(site.tally, "g1", ROOM, 4)
        await ear.counted()

        assert await stand(site.other_tally, "g2", ROOM, 1, limit=4) == Outcome(0, 4)
        assert await ear.counted() == []

    async def test_never_lowered(self, site: Deployment) -> None:
        """A limit that was lowered takes nothing from anybody."""
        await stand(site.tally, "g1", APP, 6)
        await stand(site.tally, "g2", APP, 3)

        assert await stand(site.tally, "g1", APP, 7, limit=2) == Outcome(6, 9)
        assert await stand(site.tally, "g1", APP, 5, limit=2) == Outcome(5, 8)
        assert await stand(site.tally, "g1", APP, 6, limit=2) == Outcome(5, 8)

    async def test_no_limit(self, site: Deployment) -> None:
        """0 and less is no limit."""
        assert await stand(site.tally, "g1", APP, 7, limit=0) == Outcome(7, 7)
        assert await stand(site.tally, "g1", APP, 8, limit=-1) == Outcome(8, 8)

    async def test_last_place(self, site: Deployment) -> None:
        """Of many gateways at once that want the last places, as many get one as there are."""
        gateways = [f"g{number}" for number in range(1, 41)]
        for gateway in gateways:
            await site.leases.renew(gateway, ttl=LONG)

        outcomes = await asyncio.gather(
            *(
                stand(tally, gateway, APP, 1, limit=7)
                for gateway in gateways
                for tally in (site.tally, site.other_tally)
            )
        )

        assert max(outcome.total for outcome in outcomes) == 7
        assert sum(outcome.held for outcome in outcomes) == 14
        assert await total(site.tally, APP) == 7

    async def test_racing_up_and_down(self, site: Deployment) -> None:
        """Whatever gateways report at once, the total is never above the limit."""
        numbers = [(f"g{1 + number % 2}", number % 9) for number in range(200)]

        outcomes = await asyncio.gather(
            *(
                stand(site.tally if gateway == "g1" else site.other_tally, gateway, APP, n, limit=8)
                for gateway, n in numbers
            )
        )

        assert max(outcome.total for outcome in outcomes) <= 8


class TestDoubt:
    """While another gateway's lease has lapsed, the total may soon be less."""

    async def test_leases_hold(self, site: Deployment) -> None:
        """While all leases hold, the silence is the time since the stalest was renewed."""
        before = time.monotonic()
        await site.leases.renew("g1", ttl=LONG)
        await stand(site.tally, "g1", APP, 1)
        alone = await stand(site.tally, "g1", APP, 1)
        beside = await stand(site.other_tally, "g2", APP, 1)
        first = time.monotonic() - before
        again = time.monotonic()
        await site.leases.renew("g1", ttl=LONG)
        later = await stand(site.other_tally, "g2", APP, 1)

        assert alone.silence == 0
        assert 0 <= beside.silence <= first + GRAIN
        assert 0 <= later.silence <= time.monotonic() - again + GRAIN

    async def test_lapsed(self, site: Deployment) -> None:
        """A lease that lapsed puts the total in doubt, for others; renewed, it does not."""
        await stand(site.tally, "g1", APP, 1)
        await site.leases.renew("g1", ttl=-1)
        lapsed = await stand(site.other_tally, "g2", APP, 1)
        own = await stand(site.tally, "g1", APP, 1)
        await site.leases.renew("g1", ttl=LONG)
        renewed = await stand(site.other_tally, "g2", APP, 1)

        assert (lapsed, lapsed.silence) == (Outcome(1, 2), math.inf)
        assert own == Outcome(1, 2)
        assert (own.silence < math.inf, renewed.silence < math.inf) == (True, True)
        assert renewed == Outcome(1, 2)

    async def test_released(self, site: Deployment) -> None:
        """So does one that was released, also once a sweep has seen it."""
        await stand(site.tally, "g1", APP, 1)
        await site.leases.release("g1")
        released = await stand(site.other_tally, "g2", APP, 1)
        await site.leases.sweep(grace=LONG)
        swept = await stand(site.other_tally, "g2", APP, 1)

        assert released == swept == Outcome(1, 2)
        assert released.silence == swept.silence == math.inf

    async def test_never_taken(self, site: Deployment) -> None:
        """So does one that was never taken."""
        await stand(site.tally, "ghost", APP, 1)

        assert (await stand(site.other_tally, "g2", APP, 1)).silence == math.inf

    async def test_has_none(self, site: Deployment) -> None:
        """A dead gateway that has none of the subject puts it in no doubt."""
        await stand(site.tally, "ghost", APP, 1)
        await stand(site.tally, "ghost", APP, 0)
        await stand(site.tally, "ghost", ROOM, 1)

        assert (await stand(site.other_tally, "g2", APP, 1)).silence == 0


class TestClearing:
    """A gateway that is cleared loses its counts."""

    async def test_cleared(self, site: Deployment, ear: Ear) -> None:
        """Its counts vanish from the totals, a channel's is announced, and others keep theirs."""
        await site.tally.report("g1", [Count(APP, 3), Count(ROOM, 2)])
        await site.tally.report("g2", [Count(APP, 4), Count(ROOM, 1)])
        await site.leases.release("g1")

        await sweep_away(site.other_leases, 2)

        assert await site.other_tally.totals([APP, ROOM]) == [4, 1]
        assert await ear.counted() == counted(CHANNEL, 1)
        assert await stand(site.other_tally, "g2", APP, 4) == Outcome(4, 4)

    async def test_last_of_a_channel(self, site: Deployment, ear: Ear) -> None:
        """A channel whose only gateway was cleared has none, and is named no more."""
        await stand(site.tally, "g1", ROOM, 2)
        await site.leases.release("g1")

        await sweep_away(site.other_leases, 1)

        assert await ear.counted() == counted(CHANNEL, 2, 0)
        assert await site.other_tally.channels("1", prefix="", limit=10) == []

    async def test_waits_for_the_grace(self, site: Deployment) -> None:
        """Nothing is taken off while the grace period lasts."""
        await stand(site.tally, "g1", APP, 3)
        await site.leases.release("g1")

        assert await site.other_leases.sweep(grace=LONG) == 0
        assert await total(site.tally, APP) == 3

    async def test_refused(self, site: Deployment, ear: Ear) -> None:
        """A cleared gateway's reports are refused, of anything, and change nothing."""
        await stand(site.tally, "g1", APP, 3)
        await site.leases.release("g1")
        await sweep_away(site.other_leases, 1)
        subjects = [APP, ROOM, *(Subject("user", "1", f"u{number}") for number in range(20))]

        answers = await site.tally.report("g1", [Count(one, 1, announced=True) for one in subjects])

        assert all(isinstance(answer, LeaseLost) for answer in answers)
        assert await site.tally.totals(subjects) == [0] * len(subjects)
        assert await ear.counted() == []

    async def test_never_renewed(self, site: Deployment) -> None:
        """Counts of a gateway that died before it took a lease do not stay for ever."""
        await stand(site.tally, "ghost", APP, 3)

        await sweep_away(site.other_leases, 1)

        assert await total(site.other_tally, APP) == 0

    async def test_many(self, site: Deployment) -> None:
        """Of many counts of several gateways none is left."""
        users = [Subject("user", "1", f"u{number}") for number in range(300)]
        for gateway in ("dead1", "dead2"):
            await site.tally.report(gateway, [Count(user, 1) for user in users])

        await sweep_away(site.other_leases, 600)

        assert await site.tally.totals(users) == [0] * 300


class TestChannels:
    """The channels of an app that have subscriptions are named by prefix."""

    async def test_prefix(self, site: Deployment) -> None:
        """Those that begin so, of this app, in whichever partition they are."""
        ours = [f"private-company.{number}" for number in range(100)]
        others = ["private-compan", "presence-company.1", "private-companz", "Private-company.1"]
        names = [Subject("channel", "1", name) for name in [*ours, *others]]
        theirs = Subject("channel", "2", "private-company.x")
        user = Subject("user", "1", "private-company.y")
        await site.tally.report("g1", [Count(one, 1) for one in [*names, theirs, user]])

        found = await site.other_tally.channels("1", prefix="private-company", limit=1000)
        everything = await site.other_tally.channels("1", prefix="", limit=1000)

        assert found == sorted(ours)
        assert everything == sorted([*ours, *others])
        assert await site.tally.channels("2", prefix="p", limit=10) == ["private-company.x"]

    async def test_left(self, site: Deployment) -> None:
        """A channel is named as long as one gateway has subscriptions."""
        await stand(site.tally, "g1", ROOM, 1)
        await stand(site.other_tally, "g2", ROOM, 1)
        await stand(site.tally, "g1", ROOM, 0)
        kept = await site.tally.channels("1", prefix="presence-", limit=10)
        await stand(site.other_tally, "g2", ROOM, 0)

        assert kept == [CHANNEL.name]
        assert await site.tally.channels("1", prefix="presence-", limit=10) == []

    @pytest.mark.parametrize("limit", [0, 1, 10, 299])
    async def test_limit(self, site: Deployment, limit: int) -> None:
        """No more are named than asked for, each once."""
        names = {f"room-{number}" for number in range(300)}
        await site.tally.report("g1", [Count(Subject("channel", "1", n), 1) for n in names])

        found = await site.other_tally.channels("1", prefix="room-", limit=limit)

        assert len(found) == len(set(found)) == limit
        assert set(found) <= names

    async def test_strange_prefix(self, site: Deployment) -> None:
        """Any text is a prefix; nothing but it is matched."""
        names = ["a*", "a,b", "a;[", "#server-to-user-é", "-", "+", "(x", "[x"]
        await site.tally.report("g1", [Count(Subject("channel", "1", n), 1) for n in names])

        for name in names:
            assert await site.tally.channels("1", prefix=name, limit=10) == [name]
        assert await site.tally.channels("1", prefix="a", limit=10) == ["a*", "a,b", "a;["]
        assert await site.tally.channels("1", prefix="ü", limit=10) == []


class TestChannelOfTheApp:
    """What is announced goes to the channel of the app that was counted."""

    async def test_same_name(self, site: Deployment) -> None:
        """The channel of the same name of another app hears nothing."""
        theirs = Channel("2", CHANNEL.name)
        async with site.ear(CHANNEL, theirs) as ear:
            await stand(site.tally, "g1", subscriptions(theirs), 3)

            assert await ear.counted() == counted(theirs, 3)
