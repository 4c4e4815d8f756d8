"""The contract of `roster.port.Roster` about members, on every adapter."""

import asyncio

import pytest

from libs.common.bus.messages import Transition
from libs.common.channels import Channel
from libs.common.roster.port import Members, Seat, TooManyMembers
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


class TestJoin:
    """A user joins a channel with its first connection."""

    async def test_first_connection(self, site: Deployment, ear: Ear) -> None:
        """The first connection is announced, and its answer has the caller and the version."""
        (members,) = await seated(
            site.roster, request(CHANNEL, "ann", socket_id="1.1", info='{"name": "Ann"}')
        )

        assert members.infos == {"ann": '{"name": "Ann"}'}
        assert await ear.heard() == [
            Transition(CHANNEL, members.version, "ann", '{"name": "Ann"}'),
        ]
        assert await read(site) == members

    async def test_second_connection(self, site: Deployment, ear: Ear) -> None:
        """A second connection of a user is not announced, and the first one's info is kept."""
        (first,) = await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1", info="1"))
        await ear.heard()

        (second,) = await seated(
            site.other, request(CHANNEL, "ann", socket_id="2.1", gateway="g2", info="2")
        )

        assert second == first
        assert second.infos == {"ann": "1"}
        assert await ear.heard() == []

    async def test_concurrently(self, site: Deployment, ear: Ear) -> None:
        """Of many first connections at once, through several gateways, one is announced."""
        requests = [
            request(CHANNEL, "ann", socket_id=f"{n}.1", gateway=f"g{1 + n % 2}", info=str(n))
            for n in range(40)
        ]

        answers = await asyncio.gather(
            *(
                seated(site.roster if one.seat.gateway == "g1" else site.other, one)
                for one in requests
            )
        )

        (transition,) = await ear.heard()
        assert {members.infos["ann"] for (members,) in answers} == {transition.info}
        assert {members.version for (members,) in answers} == {transition.version}

    async def test_repeated(self, site: Deployment, ear: Ear) -> None:
        """Joining twice is the same as once: one leave ends it."""
        one = request(CHANNEL, "ann", socket_id="1.1")
        first, again = await seated(site.roster, one, one)
        (later,) = await seated(site.roster, one)

        await site.roster.leave([one.seat], grace=0)

        assert first == again == later
        assert [transition.info for transition in await ear.heard()] == ["{}", None]
        assert (await read(site)).infos == {}

    async def test_many_requests(self, site: Deployment) -> None:
        """Each request is answered in its place, with members that include its user."""
        requests = [
            request(
                Channel("1", f"presence-{n % 7}"),
                f"user-{n % 50}",
                socket_id=f"{n}.{n}",
                gateway=f"g{1 + n % 2}",
            )
            for n in range(900)
        ]

        answers = await seated(site.roster, *requests)

        channels = [Channel("1", f"presence-{n}") for n in range(7)]
        readings = dict(zip(channels, await site.roster.members(channels), strict=True))
        for one, members in zip(requests, answers, strict=True):
            reading = readings[one.seat.channel]
            assert one.user_id in members.infos
            assert members.infos.items() <= reading.infos.items()
            assert members.version <= reading.version
        assert {len(members.infos) for members in readings.values()} == {50}

    async def test_no_requests(self, site: Deployment) -> None:
        """Nothing asked, nothing answered."""
        assert await site.roster.join([]) == []
        assert await site.roster.members([]) == []
        await site.roster.leave([], grace=0)

    @pytest.mark.parametrize("user_id", ["a b", " ", "zoë\n☃", "g1 1.1 1/presence-room", "0", ""])
    async def test_strange_users(self, site: Deployment, ear: Ear, user_id: str) -> None:
        """Any text is a user's id and any JSON its info."""
        one = request(CHANNEL, user_id, socket_id="1.1", info='{"name":\n"Zoë \\n \\ud83d ☃"}')
        (members,) = await seated(site.roster, one)
        await site.roster.leave([one.seat], grace=0)

        joined, left = await ear.heard()
        assert members.infos == {user_id: one.info}
        assert (joined.user_id, joined.info) == (user_id, one.info)
        assert (left.user_id, left.info) == (user_id, None)

    async def test_apps_are_apart(self, site: Deployment, ear: Ear) -> None:
        """Channels of one name in two apps are two channels."""
        await seated(site.roster, request(Channel("2", CHANNEL.name), "ann", socket_id="1.1"))

        assert await ear.heard() == []
        assert (await read(site)).infos == {}

    async def test_as_another_user(self, site: Deployment, ear: Ear) -> None:
        """A connection that is seated as another user gives up that seat first."""
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1", limit=1))
        (members,) = await seated(site.roster, request(CHANNEL, "bob", socket_id="1.1", limit=1))

        assert members.infos.keys() == {"bob"}
        assert [(one.user_id, one.info) for one in await ear.heard()] == [
            ("ann", "{}"),
            ("ann", None),
            ("bob", "{}"),
        ]


class TestLimit:
    """A channel has as many users as its app allows."""

    async def test_full(self, site: Deployment, ear: Ear) -> None:
        """A new user is refused where the channel is full, and nothing is announced."""
        await seated(site.roster, request(CHANNEL, "ann", socket_id="1.1", limit=2))
        await seated(site.other, request(CHANNEL, "bob", socket_id="1.2", limit=2))
        await ear.heard()

        (answer,) = await site.other.join([request(CHANNEL, "eve", socket_id="1.3", limit=2)])

        assert isinstance(answer, TooManyMembers)
        assert answer.limit == 2
        assert await ear.heard() == []
        assert (await read(site)).infos.keys() == {"ann", "bob"}

    async def test_users_count(self, site: Deployment) -> None:
        """A user in a full channel may open further connections: users count."""
        requests = [
            request(CHANNEL, "ann", socket_id=f"1.{n}", gateway=f"g{1 + n % 2}", limit=1)
            for n in range(4)
        ]

        assert len(await seated(site.roster, *requests)) == 4

    async def test_room_again(self, site: Deployment) -> None:
        """Who was refused gets a seat when a user has left."""
        ann, eve = (
            request(CHANNEL, user_id, socket_id=f"{user_id}.1", limit=1)
            for user_id in ("ann", "eve")
        )
        answers = await site.roster.join([ann, eve])
        await site.roster.leave([ann.seat], grace=0)

        (members,) = await seated(site.other, eve)

        assert isinstance(answers[1], TooManyMembers)
        assert members.infos.keys() == {"eve"}

    async def test_concurrently(self, site: Deployment) -> None:
        """However many ask at once, no more than the limit get in."""
        rosters = [site.roster, site.other] * 15
        answers = await asyncio.gather(
            *(
                roster.join([request(CHANNEL, f"user-{n}", socket_id=f"{n}.1", limit=7)])
                for n, roster in enumerate(rosters)
            )
        )

        assert sum(isinstance(answer, Members) for (answer,) in answers) == 7
        assert len((await read(site)).infos) == 7

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_none(self, site: Deployment, limit: int) -> None:
        """0 or less is no limit."""
        await seated(
            site.roster,
            *(request(CHANNEL, f"u{n}", socket_id=f"{n}.1", limit=limit) for n in range(20)),
        )

        assert len((await read(site)).infos) == 20


class TestLeave:
    """A user leaves a channel with its last connection."""

    async def test_last_connection(self, site: Deployment, ear: Ear) -> None:
        """Only the last connection's leaving is announced, once."""
        first = request(CHANNEL, "ann", socket_id="1.1")
        last = request(CHANNEL, "ann", socket_id="2.1", gateway="g2")
        (members,) = await seated(site.roster, first)
        await seated(site.other, last)
        await ear.heard()

        await site.roster.leave([first.seat], grace=0)
        silence = await ear.heard()
        await site.other.leave([last.seat], grace=0)

        assert silence == []
        assert await ear.heard() == [Transition(CHANNEL, members.version + 1, "ann", None)]

    async def test_repeated(self, site: Deployment, ear: Ear) -> None:
        """Leaving twice is the same as once, and leaving a seat one never had is nothing."""
        ann = request(CHANNEL, "ann", socket_id="1.1")
        await seated(site.roster, ann, request(CHANNEL, "ann", socket_id="1.2"))

        await site.roster.leave([ann.seat, ann.seat], grace=0)
        await site.other.leave([ann.seat, Seat(OTHER, "1.1", "g1")], grace=0)

        assert (await read(site)).infos.keys() == {"ann"}
        assert len(await ear.heard()) == 1

    async def test_many_seats(self, site: Deployment) -> None:
        """A connection gives up all its seats at once."""
        channels = [Channel("1", f"presence-{n}") for n in range(30)]
        requests = [request(channel, "ann", socket_id="1.1") for channel in channels]
        await seated(site.roster, *requests)

        await site.roster.leave([one.seat for one in requests], grace=0)

        assert all(not members.infos for members in await site.roster.members(channels))

    async def test_concurrently(self, site: Deployment, ear: Ear) -> None:
        """Of many connections that leave at once, the last one's leaving is announced."""
        requests = [request(CHANNEL, "ann", socket_id=f"{n}.1") for n in range(20)]
        await seated(site.roster, *requests)
        await ear.heard()

        await asyncio.gather(*(site.other.leave([one.seat], grace=0) for one in requests))

        assert [transition.info for transition in await ear.heard()] == [None]


class TestGrace:
    """A seat is given up for good when its grace is over and a sweep comes."""

    async def test_not_before(self, site: Deployment, ear: Ear) -> None:
        """A member stays while its grace lasts, whoever sweeps."""
        ann = request(CHANNEL, "ann", socket_id="1.1")
        await seated(site.roster, ann)
        await ear.heard()

        await site.roster.leave([ann.seat], grace=LONG)

        assert await site.other_leases.sweep(grace=0) == 0
        assert (await read(site)).infos.keys() == {"ann"}
        assert await ear.heard() == []

    async def test_announced_once(self, site: Deployment, ear: Ear) -> None:
        """When the grace is over, of several sweepers one announces it."""
        ann = request(CHANNEL, "ann", socket_id="1.1")
        (members,) = await seated(site.roster, ann)
        await ear.heard()
        await site.roster.leave([ann.seat], grace=SHORT)

        cleared = 0
        async with asyncio.timeout(DEADLINE):
            while cleared == 0:
                sweepers = [site.leases, site.other_leases] * 4
                cleared += sum(
                    await asyncio.gather(*(sweeper.sweep(grace=LONG) for sweeper in sweepers))
                )
                await asyncio.sleep(0)

        assert cleared == 1
        assert await ear.heard() == [Transition(CHANNEL, members.version + 1, "ann", None)]

    async def test_return_on_a_new_connection(self, site: Deployment, ear: Ear) -> None:
        """A user that joins with a new connection in the meantime never left."""
        old = request(CHANNEL, "ann", socket_id="1.1")
        await seated(site.roster, old)
        await ear.heard()

        await site.roster.leave([old.seat], grace=SHORT)
        await seated(site.other, request(CHANNEL, "ann", socket_id="2.1", gateway="g2"))
        await sweep_away(site.leases, 1)

        assert await ear.heard() == []
        assert (await read(site)).infos.keys() == {"ann"}

    async def test_return_on_the_same_connection(self, site: Deployment, ear: Ear) -> None:
        """A connection that joins again in the meantime never left, and may leave later."""
        ann = request(CHANNEL, "ann", socket_id="1.1")
        bob = request(CHANNEL, "bob", socket_id="1.2")
        await seated(site.roster, ann, bob)
        await ear.heard()

        await site.roster.leave([ann.seat, bob.seat], grace=SHORT)
        await seated(site.roster, ann)
        await sweep_away(site.leases, 1)
        announced = await ear.heard()
        await site.roster.leave([ann.seat], grace=0)

        assert [(one.user_id, one.info) for one in announced] == [("bob", None)]
        assert [(one.user_id, one.info) for one in await ear.heard()] == [("ann", None)]

    async def test_repeated(self, site: Deployment) -> None:
        """Leaving again does not prolong the grace."""
        ann = request(CHANNEL, "ann", socket_id="1.1")
        await seated(site.roster, ann)

        await site.roster.leave([ann.seat], grace=SHORT)
        await site.roster.leave([ann.seat], grace=LONG)

        await sweep_away(site.leases, 1)

    async def test_at_once_after_all(self, site: Deployment, ear: Ear) -> None:
        """Who leaves at once does not wait for the grace of an earlier leave."""
        ann = request(CHANNEL, "ann", socket_id="1.1")
        await seated(site.roster, ann)
        await site.roster.leave([ann.seat], grace=SHORT)

        await site.roster.leave([ann.seat], grace=0)

        assert len(await ear.heard()) == 2
        assert await site.leases.sweep(grace=0) == 0

    async def test_many(self, site: Deployment) -> None:
        """Calls until 0 clear whatever was due, each seat once, and say how many."""
        requests = [
            request(Channel("1", f"presence-{n % 5}"), f"u{n}", socket_id=f"{n}.1")
            for n in range(2500)
        ]
        await seated(site.roster, *requests)
        await site.roster.leave([one.seat for one in requests], grace=SHORT)

        await sweep_away(site.leases, 2500)

        channels = [Channel("1", f"presence-{n}") for n in range(5)]
        assert all(not members.infos for members in await site.roster.members(channels))


class TestVersion:
    """Each transition raises the version by one."""

    async def test_transitions_lead_from_reading_to_reading(
        self, site: Deployment, ear: Ear
    ) -> None:
        """Who applies the transitions to one reading gets the next, without a hole."""
        (before,) = await seated(site.roster, request(CHANNEL, "stays", socket_id="0.0"))
        await ear.heard()

        async def come_and_go(number: int) -> None:
            one = request(CHANNEL, f"u{number % 5}", socket_id=f"{number}.1", info=str(number))
            roster = site.roster if number % 2 else site.other
            await seated(roster, one)
            if number % 3:
                await roster.leave([one.seat], grace=0)

        await asyncio.gather(*(come_and_go(number) for number in range(60)))

        infos = dict(before.infos)
        transitions = await ear.heard()
        for transition in transitions:
            if transition.info is None:
                del infos[transition.user_id]
            else:
                assert transition.user_id not in infos
                infos[transition.user_id] = transition.info
        after = await read(site)
        versions = [transition.version for transition in transitions]
        assert versions == list(range(before.version + 1, after.version + 1))
        assert after.infos == infos

    async def test_empty_channel(self, site: Deployment) -> None:
        """A channel that was empty never goes on from a lower version."""
        versions = [(await read(site)).version]
        for number in range(3):
            ann = request(CHANNEL, "ann", socket_id=f"1.{number}")
            other = request(OTHER, "ann", socket_id=f"1.{number}")
            (members, _) = await seated(site.roster, ann, other)
            await site.roster.leave([ann.seat, other.seat], grace=0)
            versions += [members.version, (await read(site)).version]

        assert versions == sorted(versions)
        assert len(set(versions[1:])) == len(versions) - 1
