"""Redis goes and comes while clients of two gateways are connected: what they are promised then."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest

from tests.support.clients.back_ends import BackEnd
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, Fleet, Upstream, channel, said, upstream_of
from tests.support.deployments.program import Program
from tests.support.ports.eventlogs import create, until
from tests.support.servers import Server, redis_server
from tests.support.servers.redis.server import visit


class Stage(NamedTuple):
    """A deployment whose Redis the tests may break, and an upstream service."""

    redis: Server
    fleet: Fleet
    gateways: tuple[Program, Program]
    dispatcher: Program
    upstream: Upstream


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, kafka_url: str) -> AsyncIterator[Stage]:
    """Yield two gateways, a dispatcher and presence."""
    async with redis_server() as redis, AsyncExitStack() as stack:
        fleet = Fleet(tmp_path_factory.mktemp("outages"), redis=redis.url, kafka=kafka_url)
        await create(kafka_url, fleet.topic)
        start = stack.enter_async_context
        yield Stage(
            redis,
            fleet,
            (await start(fleet.running("gateway")), await start(fleet.running("gateway"))),
            await start(fleet.running("dispatcher", "presence")),
            await start(upstream_of(fleet)),
        )


@pytest.fixture
async def redis(stage: Stage) -> AsyncIterator[Server]:
    """Yield the deployment's Redis; whatever the test leaves of it, the next one finds it running."""
    yield stage.redis
    try:
        stage.redis.resume()
    except RuntimeError:
        await stage.redis.start()


@pytest.fixture
def room() -> str:
    """Return a name that no other test uses."""
    return secrets.token_hex(4)


def numbers(visitor: Visitor, room: str) -> list[int]:
    return [item["n"] for item in visitor.heard(channel(room))]


def waits(dispatcher: Program) -> int:
    """Count how often the pipeline had to wait for the bus."""
    return sum(line["backend"] == "bus" for line in said(dispatcher, "backend.lost"))


async def assemble(stage: Stage, room: str, **guests: Visitor) -> None:
    """Connect guests to the gateways in turn, and have each join the room's channels under its name."""
    for number, (name, guest) in enumerate(guests.items()):
        await guest.connect(stage.gateways[number % 2].url)
        await guest.join(channel(room))
        await guest.join(f"presence-{room}", user=name)


class TestRedis:
    """Bus and roster are lost for a while."""

    @pytest.mark.parametrize("forgets", [False, True], ids=["with its data", "without its data"])
    async def test_killed_and_started(
        self, stage: Stage, redis: Server, backend: BackEnd, room: str, *, forgets: bool
    ) -> None:
        """
        Nobody is disconnected, what happened meanwhile arrives in order and once, and who is there is true again.
        """
        presence = f"presence-{room}"
        async with visitors(APP) as visitor:
            ann, bob, eve, dan = (visitor() for _ in range(4))
            await assemble(stage, room, ann=ann, bob=bob, eve=eve)
            await stage.upstream.tell(room, range(10))
            for guest in (ann, bob, eve):
                await guest.until_heard(channel(room), {"n": 9})

            outages = waits(stage.dispatcher)
            redis.kill()
            await stage.upstream.tell(room, range(10, 20))
            await until(lambda: waits(stage.dispatcher) > outages)
            refused = await backend.publish(stage.dispatcher.url, channel(room), {"n": -1})
            await eve.leave()
            if forgets:
                shutil.rmtree(redis.directory / "appendonlydir")
            await redis.start()
            await stage.upstream.tell(room, range(20, 30))
            for guest in (ann, bob):
                await guest.until_heard(channel(room), {"n": 29})
            await dan.connect(stage.gateways[0].url)
            await dan.join(presence, user="dan")
            for guest in (ann, bob, dan):
                await guest.until_members(presence, "ann", "bob", "dan")
            await dan.leave()
            for guest in (ann, bob):
                await guest.until_members(presence, "ann", "bob")

            assert refused.status == 503
            assert refused.headers["Retry-After"]
            for guest in (ann, bob):
                assert numbers(guest, room) == list(range(30))
                assert guest.is_open
                assert guest.changes(presence).count("-eve") == 1
                assert guest.resyncs(channel(room)) == int(forgets)

    async def test_gateways_are_ended_meanwhile(
        self, stage: Stage, redis: Server, room: str
    ) -> None:
        """
        A gateway that cannot give up its members' seats ends all the same, in order and in time.
        """
        drain = {"FANFARE_SERVER_DRAIN_TIMEOUT": "1"}
        async with visitors(APP) as visitor, stage.fleet.running("gateway", **drain) as leaving:
            ann, bob = visitor(), visitor()
            for name, guest, gateway in (("ann", ann, leaving), ("bob", bob, stage.gateways[0])):
                await guest.connect(gateway.url)
                await guest.join(f"presence-{room}", user=name)

            redis.kill()
            status = await leaving.stop()
            await redis.start()
            await bob.until_members(f"presence-{room}", "bob")

            assert status == 0
            assert ann.closed_with == 4200
            assert bob.changes(f"presence-{room}") == ["-ann"]
            assert [line["event"] for line in said(leaving)[-2:]] == [
                "drain.timed_out",
                "process.stopped",
            ]

    async def test_paused(self, stage: Stage, redis: Server, backend: BackEnd, room: str) -> None:
        """
        Redis that does not answer for eight seconds is as good as away, and nobody leaves because of it.
        """
        presence = f"presence-{room}"
        async with visitors(APP) as visitor:
            ann, bob = visitor(), visitor()
            await assemble(stage, room, ann=ann, bob=bob)
            await ann.until_members(presence, "ann", "bob")

            redis.pause()
            await stage.upstream.tell(room, range(10))
            async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as waiting:
                waiting.create_task(asyncio.sleep(8))
                refused = await backend.publish(stage.dispatcher.url, channel(room), {"n": -1})
            redis.resume()
            await stage.upstream.tell(room, range(10, 20))
            for guest in (ann, bob):
                await guest.until_heard(channel(room), {"n": 19})
            await bob.leave()
            await ann.until_members(presence, "ann")

            assert refused.status == 503
            assert [n for n in numbers(ann, room) if n >= 0] == list(range(20))
            assert [n for n in numbers(bob, room) if n >= 0] == list(range(20))
            assert ann.changes(presence) == ["+bob", "-bob"]
            assert bob.changes(presence) == []

    async def test_subscribers_are_cut_off(self, stage: Stage, redis: Server, room: str) -> None:
        """
        Gateways that lose their connections while events flow miss none of them.
        """
        cut_off = 0
        async with visitors(APP) as visitor, visit(redis.url) as client:
            ann, bob = visitor(), visitor()
            for guest, gateway in zip((ann, bob), stage.gateways, strict=True):
                await guest.connect(gateway.url)
                await guest.join(channel(room))

            for start in range(0, 1000, 200):
                await stage.upstream.tell(room, range(start, start + 200))
                cut_off += await client.client_kill_filter(_type="pubsub")
            for guest in (ann, bob):
                await guest.until_heard(channel(room), {"n": 999})

            assert cut_off >= 2
            for guest in (ann, bob):
                assert numbers(guest, room) == list(range(1000))
                assert guest.resyncs(channel(room)) == 0
