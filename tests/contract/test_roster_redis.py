"""What only the Redis adapter of the roster can do wrong; and that it does what the memory roster does."""

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.channels import Channel
from libs.common.connection_redis import Call, RedisConnection
from libs.common.errors import Unavailable
from libs.common.messages import Transition
from libs.common.partitions import Keys
from libs.common.roster import (
    JoinAnswer,
    JoinRequest,
    LeaseLost,
    Members,
    MemoryRoster,
    Roster,
    Seat,
    TooManyMembers,
)
from libs.common.roster_redis import SHARE, SWEEP, RedisRoster
from tests.support.rosters import DEADLINE, Deployment, deployment, request, seated, sweep_away
from tests.support.servers import redis_cluster, redis_server
from tests.support.servers.redis_server import connect

CHANNEL = Channel("1", "presence-room")
LONG = 3600.0
SHORT = 0.001


@dataclass(frozen=True, slots=True)
class Process:
    """A roster, and the connection and keys that it uses."""

    roster: RedisRoster
    connection: RedisConnection
    keys: Keys

    async def ask(self, key: str, command: str, *words: str | float) -> Any:
        """Perform a command on a key."""
        return await self.connection.ask(Call(key, (command, key, *words)))

    async def judge(self) -> None:
        """Do the first step of a sweep, and no more."""
        kinds = ("leases", "lapsed", "cleared", "leaving")
        for index in range(len(self.keys.tags)):
            names = [self.keys.partition(f"roster.{kind}", index) for kind in kinds]
            await self.connection.ask(SWEEP.call(names, 0, SHARE))


@asynccontextmanager
async def process(url: str, prefix: str) -> AsyncIterator[Process]:
    async with RedisConnection(url, "roster") as connection:
        keys = Keys(prefix)
        yield Process(RedisRoster(connection, keys), connection, keys)


@pytest.fixture
async def one(redis_url: str, prefix: str) -> AsyncIterator[Process]:
    async with process(redis_url, prefix) as one:
        await one.roster.renew("g1", ttl=LONG)
        yield one


@pytest.fixture
async def site(redis_url: str, prefix: str) -> AsyncIterator[Deployment]:
    async with deployment(redis_url, prefix) as site:
        await site.roster.renew("g1", ttl=LONG)
        yield site


class TestNames:
    """Two deployments on one Redis never meet."""

    async def test_prefixes(self, redis_url: str, prefix: str) -> None:
        """Neither members, nor transitions, nor leases of one are seen by the other."""
        async with (
            deployment(redis_url, f"{prefix}a") as ours,
            deployment(redis_url, f"{prefix}b") as theirs,
            theirs.ear(CHANNEL) as ear,
        ):
            await seated(ours.roster, request(CHANNEL, "ann", socket_id="1.1"))
            await theirs.roster.renew("g1", ttl=-1)
            cleared = await theirs.roster.sweep(grace=0)
            (members,) = await theirs.roster.members([CHANNEL])

            assert await ear.heard() == []
            assert members.infos == {}
            assert cleared == 0
            await seated(ours.roster, request(CHANNEL, "ann", socket_id="1.2"))


class TestKeys:
    """What is kept is bounded by who is there."""

    async def test_empty_channel(self, one: Process, prefix: str, redis_url: str) -> None:
        """Of an empty channel the version stays, and for a while only."""
        ann = request(CHANNEL, "ann", socket_id="1.1")
        await seated(one.roster, ann)
        await one.roster.leave([ann.seat], grace=0)
        await one.roster.release("g1")
        await one.roster.sweep(grace=0)

        async with connect(redis_url) as client:
            names = {name async for name in client.scan_iter(f"{prefix}:*", count=1000)}
        version = one.keys.of("roster.version", CHANNEL)
        cleared = {
            one.keys.partition("roster.cleared", index) for index in range(len(one.keys.tags))
        }
        assert names == {version, *cleared}
        assert 0 < await one.ask(version, "TTL") <= 3600

    async def test_used_again(self, one: Process) -> None:
        """The version of a channel with members does not expire."""
        for socket_id in ("1.1", "1.2"):
            ann = request(CHANNEL, "ann", socket_id=socket_id)
            await seated(one.roster, ann)
            ttl = await one.ask(one.keys.of("roster.version", CHANNEL), "TTL")
            await one.roster.leave([ann.seat], grace=0)

            assert ttl == -1

    async def test_cleared_gateways(self, one: Process) -> None:
        """A cleared gateway is forgotten after a day."""
        await one.roster.release("g1")
        await one.roster.sweep(grace=0)
        yesterday = round((time.time() - 86_401) * 1000)
        for index in range(len(one.keys.tags)):
            await one.ask(one.keys.partition("roster.cleared", index), "ZADD", yesterday, "g1")

        await one.roster.sweep(grace=0)

        await one.roster.renew("g1", ttl=LONG)


class TestLostData:
    """Redis lost keys: in a failover, or because somebody deleted them."""

    @pytest.mark.parametrize("kinds", [["version"], ["version", "seats", "counts", "infos"]])
    async def test_version_is_higher(
        self, site: Deployment, one: Process, kinds: Sequence[str]
    ) -> None:
        """The next version is above all that were given, so that no mirror takes it for old."""
        ann, bob = (request(CHANNEL, user, socket_id=f"{user}.1") for user in ("ann", "bob"))
        versions = []
        async with site.ear(CHANNEL) as ear:
            for _ in range(30):
                await seated(site.roster, bob)
                await site.roster.leave([bob.seat], grace=0)
            (before,) = await seated(site.roster, ann)
            for kind in kinds:
                await one.ask(one.keys.of(f"roster.{kind}", CHANNEL), "DEL")
            versions.append((await site.roster.members([CHANNEL]))[0].version)
            await seated(site.roster, ann, bob)
            await ear.heard()
            await site.roster.leave([ann.seat], grace=0)
            versions += [transition.version for transition in await ear.heard()]

        assert versions == sorted(versions)
        assert versions[0] > before.version

    async def test_joining_again(self, site: Deployment, one: Process) -> None:
        """Gateways that join again with what they have put the roster right."""
        requests = [request(CHANNEL, f"u{n}", socket_id=f"{n}.1") for n in range(10)]
        await seated(site.roster, *requests)
        for kind in ("seats", "counts", "infos", "version"):
            await one.ask(one.keys.of(f"roster.{kind}", CHANNEL), "DEL")

        members = await seated(site.roster, *requests)
        await site.roster.leave([asked.seat for asked in requests[1:]], grace=0)

        assert len(members[0].infos) == 10
        assert (await site.roster.members([CHANNEL]))[0].infos.keys() == {"u0"}

    async def test_seats_without_a_channel(self, site: Deployment, one: Process) -> None:
        """A dead gateway's seats in a channel that was lost do not keep a sweep from its end."""
        requests = [request(CHANNEL, f"u{n}", socket_id=f"{n}.1") for n in range(SHARE + 1)]
        other = request(Channel("1", "presence-hall"), "ann", socket_id="1.1")
        await seated(site.roster, *requests, other)
        await one.ask(one.keys.of("roster.seats", CHANNEL), "DEL")
        await site.roster.release("g1")

        await sweep_away(site.roster, 1)
        for _ in range(3):
            await site.roster.sweep(grace=0)

        index = one.keys.index(CHANNEL)
        for kind in ("lapsed", "held:g1"):
            assert await one.ask(one.keys.partition(f"roster.{kind}", index), "EXISTS") == 0


class TestSweepers:
    """A sweep takes several steps, and may end after any of them."""

    async def test_continued(self, site: Deployment, one: Process) -> None:
        """Seats that a sweeper found and did not clear are cleared by the next."""
        await seated(
            site.roster, *(request(CHANNEL, f"u{n}", socket_id=f"{n}.1") for n in range(5))
        )
        await site.roster.release("g1")
        await one.judge()

        (answer,) = await site.roster.join([request(CHANNEL, "eve", socket_id="9.1")])
        await sweep_away(site.other, 5)

        assert isinstance(answer, LeaseLost)
        assert (await site.roster.members([CHANNEL]))[0].infos == {}

    async def test_passed_on_in_between(self, site: Deployment, one: Process) -> None:
        """A seat that passes to another gateway after it was found due stays."""
        ann, bob = (request(CHANNEL, user, socket_id=f"{user}.1") for user in ("ann", "bob"))
        await seated(site.roster, ann, bob)
        await site.roster.leave([bob.seat], grace=SHORT)
        await site.roster.release("g1")
        await one.judge()

        for user in ("ann", "bob"):
            await seated(site.roster, request(CHANNEL, user, socket_id=f"{user}.1", gateway="g2"))
        await site.roster.renew("g2", ttl=LONG)

        assert await site.other.sweep(grace=0) == 0
        assert (await site.roster.members([CHANNEL]))[0].infos.keys() == {"ann", "bob"}

    async def test_broken_off(self, redis_url: str, prefix: str) -> None:
        """Wherever a sweeper dies, the next one announces what is left, once."""
        for ticks in range(0, 40, 2):
            async with deployment(redis_url, f"{prefix}.{ticks}") as site, site.ear(CHANNEL) as ear:
                await seated(
                    site.roster,
                    *(request(CHANNEL, f"u{n}", socket_id=f"{n}.1") for n in range(SHARE)),
                )
                await ear.heard()
                dying = asyncio.ensure_future(site.roster.sweep(grace=0))
                for _ in range(ticks):
                    await asyncio.sleep(0)
                dying.cancel()
                await asyncio.wait([dying])

                left: list[str] = []
                async with asyncio.timeout(DEADLINE):
                    while len(left) < SHARE:
                        await site.other.sweep(grace=0)
                        left += [transition.user_id for transition in await ear.heard()]
                await site.other.sweep(grace=0)
                left += [transition.user_id for transition in await ear.heard()]

            assert sorted(left) == sorted(f"u{n}" for n in range(SHARE))

    async def test_bounded(self, site: Deployment) -> None:
        """A call clears no more of a partition than its share."""
        channel = [request(CHANNEL, f"u{n}", socket_id=f"{n}.1") for n in range(3 * SHARE)]
        await seated(site.roster, *channel)
        await site.roster.release("g1")

        counts = [await site.roster.sweep(grace=0) for _ in range(4)]

        assert counts == [SHARE, SHARE, SHARE, 0]

    async def test_many_gateways(self, site: Deployment) -> None:
        """More dead gateways than one call handles are all cleared."""
        requests = [
            request(CHANNEL, "ann", socket_id=f"{n}.1", gateway=f"dead{n}")
            for n in range(2 * SHARE + 1)
        ]
        await seated(site.roster, *requests)

        cleared = 0
        async with asyncio.timeout(DEADLINE):
            while cleared < len(requests):
                cleared += await site.roster.sweep(grace=0)

        assert cleared == len(requests)
        assert (await site.roster.members([CHANNEL]))[0].infos == {}


class TestTrouble:
    """Redis is away, in whole or in part, or unwilling."""

    async def test_away(self, prefix: str) -> None:
        """Everything says so while Redis is away, and goes on when it is back."""
        async with redis_server() as server, process(server.url, prefix) as one:
            roster, ann = one.roster, request(CHANNEL, "ann", socket_id="1.1")
            await seated(roster, ann)
            server.kill()

            answers: list[object] = [*await roster.join([ann, ann])]
            calls = [
                roster.leave([ann.seat], grace=0),
                roster.members([CHANNEL]),
                roster.renew("g1", ttl=1),
                roster.release("g1"),
                roster.sweep(grace=0),
            ]
            answers += await asyncio.gather(*calls, return_exceptions=True)
            await server.start()
            (members,) = await seated(roster, request(CHANNEL, "bob", socket_id="1.2"))

        assert all(isinstance(answer, Unavailable) for answer in answers)
        assert not any(isinstance(answer, LeaseLost) for answer in answers)
        assert {answer.backend for answer in answers if isinstance(answer, Unavailable)} == {
            "roster"
        }
        assert members.infos.keys() == {"ann", "bob"}

    async def test_no_memory(self, prefix: str) -> None:
        """Without memory left nobody joins, not even by half; leases hold and members leave."""
        async with redis_server() as server, process(server.url, prefix) as one:
            roster = one.roster
            ann, bob = (request(CHANNEL, user, socket_id=f"{user}.1") for user in ("ann", "bob"))
            await roster.renew("g1", ttl=LONG)
            await seated(roster, ann, request(CHANNEL, "eve", socket_id="eve.1"))
            async with connect(server.url) as client:
                await client.config_set("maxmemory", "1")

                (refused,) = await roster.join([bob])
                await roster.renew("g1", ttl=LONG)
                await roster.leave([ann.seat], grace=0)
                (members,) = await roster.members([CHANNEL])
                await roster.release("g1")
                await sweep_away(roster, 1)
                seats = await client.exists(one.keys.of("roster.seats", CHANNEL))

        assert isinstance(refused, Unavailable)
        assert members.infos.keys() == {"eve"}
        assert seats == 0

    async def test_part_of_a_cluster(self, prefix: str) -> None:
        """Where one master is away, channels of the others are served, and swept."""
        async with redis_cluster() as cluster, process(cluster.url, prefix) as one:
            for node in cluster.nodes:
                async with connect(node.url) as client:
                    await client.config_set("cluster-require-full-coverage", "no")
            channels = [Channel("1", f"presence-{n}") for n in range(30)]
            requests = [request(channel, "ann", socket_id="1.1") for channel in channels]
            await seated(one.roster, *requests)
            cluster.nodes[0].kill()

            answers = await one.roster.join(requests)
            with pytest.raises(Unavailable):
                await one.roster.renew("g1", ttl=-1)
            with pytest.raises(Unavailable):
                await one.roster.sweep(grace=0)
            served = [
                asked.seat.channel
                for asked, answer in zip(requests, answers, strict=True)
                if isinstance(answer, Members)
            ]
            readings = await one.roster.members(served)

        assert 0 < len(served) < len(requests)
        assert all(not members.infos for members in readings)


@dataclass(frozen=True, slots=True)
class Join:
    """One gateway asks for seats."""

    requests: list[JoinRequest]


@dataclass(frozen=True, slots=True)
class Leave:
    """Seats are given up."""

    seats: list[Seat]
    grace: float


@dataclass(frozen=True, slots=True)
class Renew:
    """A gateway takes a lease, or one that has lapsed already."""

    gateway: str
    ttl: float


@dataclass(frozen=True, slots=True)
class Release:
    """A gateway ends its lease."""

    gateway: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """Someone sweeps until nothing is left to do."""

    grace: float


Step = Join | Leave | Renew | Release | Sweep

CHANNELS = (Channel("1", "presence-a"), Channel("1", "presence-b"))
gateways = st.sampled_from(["g1", "g2", "g3"])
seats = st.builds(
    Seat, st.sampled_from(CHANNELS), st.sampled_from(["1.1", "1.2", "1.3", "1.4"]), gateways
)


@st.composite
def joins(draw: st.DrawFn) -> Join:
    gateway = draw(gateways)
    asked = st.builds(
        JoinRequest,
        seats.map(lambda seat: Seat(seat.channel, seat.socket_id, gateway)),
        st.sampled_from(["ann", "bob", "eve"]),
        st.sampled_from(["1", "2"]),
        st.sampled_from([0, 0, 1, 2]),
    )
    return Join(draw(st.lists(asked, min_size=1, max_size=4)))


steps = st.one_of(
    joins(),
    joins(),
    st.builds(Leave, st.lists(seats, min_size=1, max_size=3), st.sampled_from([0, SHORT, LONG])),
    st.builds(Renew, gateways, st.sampled_from([LONG, LONG, -1.0])),
    st.builds(Release, gateways),
    st.builds(Sweep, st.sampled_from([0, LONG])),
)


@dataclass(slots=True)
class Model:
    """A memory roster, its clock and what it announced."""

    now: float = 0.0
    announced: list[Transition] = field(default_factory=list)
    roster: MemoryRoster = field(init=False)

    def __post_init__(self) -> None:
        self.roster = MemoryRoster(self.announced.append, lambda: self.now)


async def perform(step: Step, roster: Roster) -> list[object]:
    """Do a step other than a sweep, and tell what came of it, without versions."""
    match step:
        case Join():
            return [outcome(answer) for answer in await roster.join(step.requests)]
        case Leave():
            await roster.leave(step.seats, grace=step.grace)
        case Renew():
            try:
                await roster.renew(step.gateway, ttl=step.ttl)
            except LeaseLost:
                return [LeaseLost]
        case Release():
            await roster.release(step.gateway)
    return []


def outcome(answer: JoinAnswer) -> object:
    if isinstance(answer, Members):
        return dict(answer.infos)
    return answer.limit if isinstance(answer, TooManyMembers) else type(answer)


async def sweep_both(step: Sweep, model: Model, site: Deployment) -> None:
    """Sweep the model to its end, and the roster until it has cleared as much, and no more."""
    model.now += 1.0
    expected = 0
    while cleared := await model.roster.sweep(grace=step.grace):
        expected += cleared
    sweepers = itertools.cycle([site.roster, site.other])
    async with asyncio.timeout(DEADLINE):
        while expected > 0:
            expected -= await next(sweepers).sweep(grace=step.grace)
    assert expected - await next(sweepers).sweep(grace=step.grace) == 0


def changes(transitions: Sequence[Transition], channel: Channel) -> list[tuple[str, str | None]]:
    return [(one.user_id, one.info) for one in transitions if one.channel == channel]


class TestModel:
    """The Redis roster does what the memory roster does."""

    @given(taken=st.lists(steps, max_size=25))
    @settings(max_examples=60, deadline=None)
    async def test_steps(self, redis_url: str, taken: list[Step]) -> None:
        """After the same steps, the same was answered and announced, and the same is there."""
        model, versions = Model(), dict.fromkeys(CHANNELS, 0)
        prefix = f"t{secrets.token_hex(6)}"
        async with (
            deployment(redis_url, prefix, partitions=2) as site,
            site.ear(*CHANNELS) as ear,
        ):
            for number, step in enumerate(taken):
                if isinstance(step, Sweep):
                    await sweep_both(step, model, site)
                else:
                    roster = site.other if number % 2 else site.roster
                    assert await perform(step, roster) == await perform(step, model.roster)
                heard = await ear.heard()
                for channel in CHANNELS:
                    ours, theirs = changes(heard, channel), changes(model.announced, channel)
                    is_ordered = not isinstance(step, Sweep)
                    assert ours == theirs if is_ordered else sorted(ours) == sorted(theirs)
                model.announced.clear()
                follow(versions, heard)
            readings = await site.roster.members(CHANNELS)
            models = await model.roster.members(CHANNELS)

        assert [one.infos for one in readings] == [one.infos for one in models]
        for channel, reading in zip(CHANNELS, readings, strict=True):
            assert versions[channel] in {0, reading.version}


def follow(versions: dict[Channel, int], transitions: Sequence[Transition]) -> None:
    """See that versions follow each other without a hole."""
    for one in transitions:
        assert versions[one.channel] in {0, one.version - 1}
        versions[one.channel] = one.version
