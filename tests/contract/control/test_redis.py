"""What only the Redis adapter of control can do wrong."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from libs.common.config.address import Url
from libs.common.control.port import CommandListener
from libs.common.control.redis import BATCH, RedisControl
from libs.common.errors import Unavailable
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from libs.common.redis.scripts import Call
from tests.support.deadline import DEADLINE
from tests.support.ports.control import STREAM, command, deployment, received
from tests.support.servers import redis_server


@asynccontextmanager
async def redis(url: str, prefix: str) -> AsyncIterator[tuple[RedisConnection, Keys]]:
    async with RedisConnection(Url(url), "control") as connection:
        yield connection, Keys(prefix)


class TestRedis:
    """What only Redis can do wrong."""

    async def test_prefixes(self, redis_url: str, prefix: str) -> None:
        """Two deployments on one Redis never meet."""
        async with (
            deployment(redis_url, prefix) as ours,
            deployment(redis_url, f"{prefix}2") as theirs,
            theirs.control.listen() as listener,
        ):
            await ours.control.send(command("ours"))
            await theirs.control.send(command("theirs"))

            assert await received(listener, 1) == ["theirs"]

    async def test_forgets(self, redis_url: str, prefix: str) -> None:
        """What has long expired is removed, and everything goes when nothing is in force."""
        async with redis(redis_url, prefix) as (connection, keys):
            control, stream = RedisControl(connection, keys), keys.single(STREAM)
            for _ in range(50):
                await control.send(command("gone", ttl=-3600))
            emptied = await connection.ask(Call(stream, ("EXISTS", stream)))
            await control.send(command("ann", ttl=60))
            await control.send(command("gone", ttl=-3600))

            length = await connection.ask(Call(stream, ("XLEN", stream)))
            seconds = await connection.ask(Call(stream, ("TTL", stream)))

        assert emptied == 0
        assert length == 1
        assert 60 < seconds < 180

    @pytest.mark.parametrize("loss", ["DEL", "XTRIM"])
    async def test_lost(self, redis_url: str, prefix: str, loss: str) -> None:
        """A command whose stream was lost is unknown, and is announced when it is sent again."""
        async with redis(redis_url, prefix) as (connection, keys):
            control, stream = RedisControl(connection, keys), keys.single(STREAM)
            one, other = command("ann", ttl=60), command("ben", ttl=60)
            await control.send(one)
            more = ("MAXLEN", 0) if loss == "XTRIM" else ()
            await connection.ask(Call(stream, (loss, stream, *more)))

            for each in (other, one, one):
                await control.send(each)

            assert await connection.ask(Call(stream, ("XLEN", stream))) == 2

    async def test_many_expired(self, redis_url: str, prefix: str) -> None:
        """However many have expired, a listener that hears nothing has heard all in force."""
        async with redis(redis_url, prefix) as (connection, keys):
            control, stream = RedisControl(connection, keys), keys.single(STREAM)
            gone = ("XADD", stream, "*", "o", msgspec.json.encode(command("gone", ttl=-1)))
            await connection.ask_all([Call(stream, gone)] * (2 * BATCH))
            await control.send(command("ann"))

            async with control.listen() as listener:
                assert [heard.subject for heard in await listener.receive(0)] == ["ann"]
                assert await listener.receive(0) == []

    async def test_unreadable_command(self, redis_url: str, prefix: str) -> None:
        """A command that cannot be read is skipped, and the next one arrives."""
        async with redis(redis_url, prefix) as (connection, keys):
            control, stream = RedisControl(connection, keys), keys.single(STREAM)
            await connection.ask(Call(stream, ("XADD", stream, "*", "o", "{")))
            await control.send(command("ann"))

            async with control.listen() as listener:
                assert await received(listener, 1) == ["ann"]

    async def test_unknown_fields(self, redis_url: str, prefix: str) -> None:
        """A command with fields of a newer release is read."""
        text = msgspec.json.encode(msgspec.structs.asdict(command("ann")) | {"reason": "new"})
        async with redis(redis_url, prefix) as (connection, keys):
            stream = keys.single(STREAM)
            await connection.ask(Call(stream, ("XADD", stream, "*", "o", text)))

            async with RedisControl(connection, keys).listen() as listener:
                assert await received(listener, 1) == ["ann"]

    @pytest.mark.parametrize("is_emptied", [True, False])
    async def test_ids_go_back(self, redis_url: str, prefix: str, *, is_emptied: bool) -> None:
        """A listener whose stream was lost hears the one that takes its place, whatever its ids."""
        async with redis(redis_url, prefix) as (connection, keys):
            control, stream = RedisControl(connection, keys), keys.single(STREAM)
            async with control.listen() as listener:
                await control.send(command("before"))
                await received(listener, 1)
                await connection.ask(Call(stream, ("DEL", stream)))
                if is_emptied:
                    assert await listener.receive(0) == []
                text = msgspec.json.encode(command("after"))
                await connection.ask(Call(stream, ("XADD", stream, "1-1", "o", text)))

                assert await received(listener, 1) == ["after"]

    async def test_away(self, prefix: str) -> None:
        """Without Redis both ends say so; when it is back, nothing that was sent is missing."""
        async with (
            redis_server() as server,
            deployment(server.url, prefix) as site,
            site.other.listen() as listener,
        ):
            await site.control.send(command("before"))
            await received(listener, 1)
            await site.control.send(command("unseen"))
            server.kill()
            with pytest.raises(Unavailable) as away:
                await site.control.send(command("lost"))
            with pytest.raises(Unavailable):
                await listener.receive(DEADLINE)
            await server.start()
            await site.control.send(command("after"))

            subjects = await received_until(listener, "after")

        assert away.value.backend == "control"
        assert subjects[-2:] == ["unseen", "after"]

    async def test_skewed_failover(self, prefix: str) -> None:
        """A command that a server with a slow clock stored during an interruption is received."""
        async with redis_server() as server, redis(server.url, prefix) as (connection, keys):
            control, stream = RedisControl(connection, keys), keys.single(STREAM)
            async with control.listen() as listener:
                await control.send(command("before"))
                await received(listener, 1)
                server.kill()
                with pytest.raises(Unavailable):
                    await listener.receive(DEADLINE)
                await server.start()
                slow = round(time.time() * 1000) - 30_000
                text = msgspec.json.encode(command("slow"))
                await connection.ask(Call(stream, ("DEL", stream)))
                await connection.ask(Call(stream, ("XADD", stream, f"{slow}-0", "o", text)))
                await control.send(command("after"))

                assert await received_until(listener, "after") == ["slow", "after"]

    async def test_cancelled_wait(self, redis_url: str, prefix: str) -> None:
        """A wait that is cancelled loses no command."""
        async with deployment(redis_url, prefix) as site, site.other.listen() as listener:
            for number in range(20):
                waiting = asyncio.ensure_future(listener.receive(DEADLINE))
                sending = asyncio.ensure_future(site.control.send(command(str(number))))
                await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
                await sending

                assert await received_until(listener, str(number)) == [str(number)]


async def received_until(listener: CommandListener, subject: str) -> list[str]:
    """Wait for a command, and name the subjects up to it."""
    subjects: list[str] = []
    while subject not in subjects:
        subjects += await received(listener, 1)
    return subjects
