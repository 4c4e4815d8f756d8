"""The contract of `control.Control`, on every adapter; and what only the Redis adapter can do wrong."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import msgspec
import pytest

from libs.common.connection_redis import Call, RedisConnection
from libs.common.control import Control, MemoryControl, Order, OrderListener
from libs.common.control_redis import BATCH, RedisControl
from libs.common.errors import Unavailable
from libs.common.partitions import Keys
from libs.common.revocations import Revocations
from libs.common.tokens import ChannelToken
from tests.support.servers import redis_server

MEMORY = "memory://"
DEADLINE = 10.0
PATIENCE = 0.2  # Seconds of one wait, so that a listener often sees for itself where it is.
ORDERS = "control.orders"


@dataclass(frozen=True, slots=True)
class Deployment:
    """
    Two processes that share control.

    Attributes:
        control: Of one process.
        other: Of the other.
    """

    control: Control
    other: Control


@asynccontextmanager
async def deployment(url: str, prefix: str) -> AsyncIterator[Deployment]:
    if url == MEMORY:
        memory = MemoryControl()
        yield Deployment(memory, memory)
        return
    keys = Keys(prefix)
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(RedisConnection(url, "control")) for _ in range(2)
        ]
        yield Deployment(RedisControl(first, keys), RedisControl(second, keys))


@pytest.fixture(
    params=[MEMORY, "redis_url", "redis_cluster_url"], ids=["memory", "redis", "cluster"]
)
def url(request: pytest.FixtureRequest) -> str:
    """Name the backend."""
    if request.param == MEMORY:
        return MEMORY
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
async def site(url: str, prefix: str) -> AsyncIterator[Deployment]:
    async with deployment(url, prefix) as site:
        yield site


def order(subject: str, *, ttl: float = 3600.0) -> Order:
    now = time.time()
    return Order("terminate", "1", subject, now, now + ttl)


async def received(listener: OrderListener, count: int) -> list[str]:
    """Wait for so many orders, and name their subjects."""
    subjects: list[str] = []
    async with asyncio.timeout(DEADLINE):
        while len(subjects) < count:
            subjects += [one.subject for one in await listener.receive(PATIENCE)]
    return subjects


class TestListen:
    """An order that was sent is received by every listener, until it expires."""

    async def test_every_listener(self, site: Deployment) -> None:
        """Listeners of all processes receive an order."""
        async with site.control.listen() as one, site.other.listen() as other:
            await site.control.send(order("ann"))

            assert await received(one, 1) == ["ann"]
            assert await received(other, 1) == ["ann"]

    async def test_all_fields(self, site: Deployment) -> None:
        """An order arrives as it was sent."""
        sent = Order("revoke", "7", "zoë \n☃", 1.5, time.time() + 60.25, kind="jti")
        await site.control.send(sent)

        async with site.other.listen() as listener:
            assert await listener.receive(DEADLINE) == [sent]

    async def test_who_waits(self, site: Deployment) -> None:
        """A listener that waits is woken."""
        async with site.other.listen() as listener, asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(received(listener, 1))
            await asyncio.sleep(0)
            await site.control.send(order("ann"))

        assert waiting.result() == ["ann"]

    async def test_who_comes_later(self, site: Deployment) -> None:
        """A listener that begins later receives the orders in force, and then those to come."""
        for subject in ("a", "b"):
            await site.control.send(order(subject))

        async with site.other.listen() as listener:
            before = await received(listener, 2)
            await site.control.send(order("c"))

            assert before == ["a", "b"]
            assert await received(listener, 1) == ["c"]

    async def test_same_again(self, site: Deployment) -> None:
        """One that is remembered is not announced again, whoever sends it; one that differs in anything is."""
        first = order("ann")
        other = msgspec.structs.replace(first, subject="bob")
        async with site.control.listen() as listener:
            await site.control.send(first)
            assert await received(listener, 1) == ["ann"]

            await site.other.send(first)
            await site.other.send(other)

            assert await received(listener, 1) == ["bob"]
        async with site.other.listen() as late:
            assert await received(late, 2) == ["ann", "bob"]

    async def test_nothing_new(self, site: Deployment) -> None:
        """Without new orders, a wait ends with none, and what was received is not repeated."""
        async with site.control.listen() as listener:
            silence = await listener.receive(0.01)
            await site.other.send(order("ann"))
            await received(listener, 1)

            assert silence == []
            assert await listener.receive(0) == []
            assert await listener.receive(0.01) == []

    async def test_many(self, site: Deployment) -> None:
        """Orders of one sender come in its order, however many there are and whoever else sends."""

        async def send(control: Control, sender: str) -> None:
            for number in range(600):
                await control.send(order(f"{sender}{number}"))

        await asyncio.gather(send(site.control, "a"), send(site.other, "b"))

        async with site.control.listen() as listener:
            subjects = await received(listener, 1200)
        for sender in "ab":
            assert [subject for subject in subjects if subject[0] == sender] == [
                f"{sender}{number}" for number in range(600)
            ]


class TestExpiry:
    """An order is remembered until it expires."""

    async def test_expired(self, site: Deployment) -> None:
        """An expired order reaches nobody, and does not keep who waits from the next one."""
        await site.control.send(order("late", ttl=-1))

        async with site.other.listen() as listener, asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(listener.receive(DEADLINE))
            await asyncio.sleep(0)
            await site.control.send(order("later", ttl=-1))
            await site.control.send(order("ann"))

        assert [one.subject for one in waiting.result()] == ["ann"]

    async def test_expires(self, site: Deployment) -> None:
        """An order is in force, and then it is not any more."""
        await site.control.send(order("short", ttl=0.3))
        await site.control.send(order("long"))

        async def in_force() -> list[str]:
            async with site.other.listen() as listener:
                return [one.subject for one in await listener.receive(0)]

        assert await in_force() == ["short", "long"]
        async with asyncio.timeout(DEADLINE):
            while await in_force() != ["long"]:
                await asyncio.sleep(0)

    async def test_long_outlives_short(self, site: Deployment) -> None:
        """Later orders that expire sooner take none of those in force with them."""
        await site.control.send(order("long"))
        for _ in range(150):
            await site.control.send(order("gone", ttl=-3600))
        await site.control.send(order("new"))

        async with site.other.listen() as listener:
            assert await received(listener, 2) == ["long", "new"]


@asynccontextmanager
async def redis(url: str, prefix: str) -> AsyncIterator[tuple[RedisConnection, Keys]]:
    async with RedisConnection(url, "control") as connection:
        yield connection, Keys(prefix)


class TestRevocations:
    """Orders of every kind arrive as they were sent."""

    @pytest.mark.parametrize("kind", ["token", "jti", "user"])
    async def test_kinds(self, site: Deployment, kind: str) -> None:
        """Another process refuses what one has revoked, in whichever way, also when it begins later."""
        now = round(time.time(), 3)
        sent = Order("revoke", "1", "subject", now, now + 60, kind=kind)
        await site.control.send(sent)

        async with site.other.listen() as listener:
            (heard,) = await listener.receive(DEADLINE)

        revocations = Revocations()
        revocations.add(heard, now)
        assert heard == sent
        assert revocations.is_revoked(token(user="subject", jti="subject", at=now), now)
        assert not revocations.is_revoked(token(user="other", jti="another", at=now), now)


def token(*, user: str, jti: str, at: float) -> ChannelToken:
    return ChannelToken(
        app="1",
        user=user,
        user_info={},
        claims={},
        channels=(),
        issued_at=at,
        expires_at=at + 60,
        jti=jti,
        issuer="fanfare",
    )


class TestRedis:
    """What only Redis can do wrong."""

    async def test_prefixes(self, redis_url: str, prefix: str) -> None:
        """Two deployments on one Redis never meet."""
        async with (
            deployment(redis_url, prefix) as ours,
            deployment(redis_url, f"{prefix}2") as theirs,
            theirs.control.listen() as listener,
        ):
            await ours.control.send(order("ours"))
            await theirs.control.send(order("theirs"))

            assert await received(listener, 1) == ["theirs"]

    async def test_forgets(self, redis_url: str, prefix: str) -> None:
        """What has long expired is removed, and everything goes when nothing is in force."""
        async with redis(redis_url, prefix) as (connection, keys):
            control, stream = RedisControl(connection, keys), keys.single(ORDERS)
            for _ in range(50):
                await control.send(order("gone", ttl=-3600))
            emptied = await connection.ask(Call(stream, ("EXISTS", stream)))
            await control.send(order("ann", ttl=60))
            await control.send(order("gone", ttl=-3600))

            length = await connection.ask(Call(stream, ("XLEN", stream)))
            seconds = await connection.ask(Call(stream, ("TTL", stream)))

        assert emptied == 0
        assert length == 1
        assert 60 < seconds < 180

    @pytest.mark.parametrize("loss", ["DEL", "XTRIM"])
    async def test_lost(self, redis_url: str, prefix: str, loss: str) -> None:
        """An order whose stream was lost is not remembered, and is announced when it is sent again."""
        async with redis(redis_url, prefix) as (connection, keys):
            control, stream = RedisControl(connection, keys), keys.single(ORDERS)
            one, other = order("ann", ttl=60), order("ben", ttl=60)
            await control.send(one)
            more = ("MAXLEN", 0) if loss == "XTRIM" else ()
            await connection.ask(Call(stream, (loss, stream, *more)))

            for each in (other, one, one):
                await control.send(each)

            assert await connection.ask(Call(stream, ("XLEN", stream))) == 2

    async def test_many_expired(self, redis_url: str, prefix: str) -> None:
        """However many have expired, a listener that hears nothing has heard all orders in force."""
        async with redis(redis_url, prefix) as (connection, keys):
            control, stream = RedisControl(connection, keys), keys.single(ORDERS)
            gone = ("XADD", stream, "*", "o", msgspec.json.encode(order("gone", ttl=-1)))
            await connection.ask_all([Call(stream, gone)] * (2 * BATCH))
            await control.send(order("ann"))

            async with control.listen() as listener:
                assert [heard.subject for heard in await listener.receive(0)] == ["ann"]
                assert await listener.receive(0) == []

    async def test_unreadable_order(self, redis_url: str, prefix: str) -> None:
        """An order that cannot be read is skipped, and the next one arrives."""
        async with redis(redis_url, prefix) as (connection, keys):
            control, stream = RedisControl(connection, keys), keys.single(ORDERS)
            await connection.ask(Call(stream, ("XADD", stream, "*", "o", "{")))
            await control.send(order("ann"))

            async with control.listen() as listener:
                assert await received(listener, 1) == ["ann"]

    async def test_unknown_fields(self, redis_url: str, prefix: str) -> None:
        """An order with fields of a newer release is read."""
        text = msgspec.json.encode(msgspec.structs.asdict(order("ann")) | {"reason": "new"})
        async with redis(redis_url, prefix) as (connection, keys):
            stream = keys.single(ORDERS)
            await connection.ask(Call(stream, ("XADD", stream, "*", "o", text)))

            async with RedisControl(connection, keys).listen() as listener:
                assert await received(listener, 1) == ["ann"]

    @pytest.mark.parametrize("is_emptied", [True, False])
    async def test_ids_go_back(self, redis_url: str, prefix: str, *, is_emptied: bool) -> None:
        """A listener whose stream was lost hears the one that takes its place, whatever its ids."""
        async with redis(redis_url, prefix) as (connection, keys):
            control, stream = RedisControl(connection, keys), keys.single(ORDERS)
            async with control.listen() as listener:
                await control.send(order("before"))
                await received(listener, 1)
                await connection.ask(Call(stream, ("DEL", stream)))
                if is_emptied:
                    assert await listener.receive(0) == []
                text = msgspec.json.encode(order("after"))
                await connection.ask(Call(stream, ("XADD", stream, "1-1", "o", text)))

                assert await received(listener, 1) == ["after"]

    async def test_away(self, prefix: str) -> None:
        """Without Redis both ends say so; when it is back, nothing that was sent is missing."""
        async with (
            redis_server() as server,
            deployment(server.url, prefix) as site,
            site.other.listen() as listener,
        ):
            await site.control.send(order("before"))
            await received(listener, 1)
            await site.control.send(order("unseen"))
            server.kill()
            with pytest.raises(Unavailable) as away:
                await site.control.send(order("lost"))
            with pytest.raises(Unavailable):
                await listener.receive(DEADLINE)
            await server.start()
            await site.control.send(order("after"))

            subjects = await received_until(listener, "after")

        assert away.value.backend == "control"
        assert subjects[-2:] == ["unseen", "after"]

    async def test_skewed_failover(self, prefix: str) -> None:
        """An order that a server with a slow clock stored during an interruption is received."""
        async with redis_server() as server, redis(server.url, prefix) as (connection, keys):
            control, stream = RedisControl(connection, keys), keys.single(ORDERS)
            async with control.listen() as listener:
                await control.send(order("before"))
                await received(listener, 1)
                server.kill()
                with pytest.raises(Unavailable):
                    await listener.receive(DEADLINE)
                await server.start()
                slow = round(time.time() * 1000) - 30_000
                text = msgspec.json.encode(order("slow"))
                await connection.ask(Call(stream, ("DEL", stream)))
                await connection.ask(Call(stream, ("XADD", stream, f"{slow}-0", "o", text)))
                await control.send(order("after"))

                assert await received_until(listener, "after") == ["slow", "after"]

    async def test_cancelled_wait(self, redis_url: str, prefix: str) -> None:
        """A wait that is cancelled loses no order."""
        async with deployment(redis_url, prefix) as site, site.other.listen() as listener:
            for number in range(20):
                waiting = asyncio.ensure_future(listener.receive(DEADLINE))
                sending = asyncio.ensure_future(site.control.send(order(str(number))))
                await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                await sending

                assert await received_until(listener, str(number)) == [str(number)]


async def received_until(listener: OrderListener, subject: str) -> list[str]:
    """Wait for an order, and name the subjects up to it."""
    subjects: list[str] = []
    while subject not in subjects:
        subjects += await received(listener, 1)
    return subjects
