"""What only Redis can do wrong to `bus.redis`: it goes away, hangs, or hands over to a replica."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import structlog

from libs.common.bus.messages import Broadcast, Interrupted, Position
from libs.common.bus.port import Bus, Listener
from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.errors import Misconfigured, Unavailable
from libs.common.redis.connection import RedisConnection
from libs.common.redis.node import POOL_SIZE
from tests.support.deadline import DEADLINE
from tests.support.ports.buses import (
    event,
    heard,
    heard_until_interrupted,
    kept,
    processes,
    reached,
    texts,
)
from tests.support.servers import Certificates, redis_sentinel, redis_server
from tests.support.servers.process import eventually

CHANNEL = Channel("1", "private-company.7")
OTHER = Channel("1", "private-company.8")


async def becomes_available(bus: Bus, channel: Channel = CHANNEL) -> None:
    """Wait until a publish succeeds."""

    async def succeeds() -> bool:
        try:
            await bus.publish([event(channel, "available")])
        except Unavailable:
            return False
        return True

    await eventually(succeeds, timeout=DEADLINE)


async def becomes_deaf(listener: Listener) -> None:
    """Wait until a listener knows that it is cut off."""

    async def refuses() -> bool:
        try:
            await listener.follow([Channel("1", "another")])
        except Unavailable:
            return True
        return False

    await eventually(refuses, timeout=DEADLINE)


class TestOutage:
    """Redis is away, and comes back."""

    async def test_away_at_start(self, prefix: str) -> None:
        """Every call says `Unavailable` within seconds, and works once Redis is there."""
        async with redis_server() as server, asyncio.timeout(3 * DEADLINE):
            server.kill()
            async with (
                processes(server.url, prefix, count=1) as (bus,),
                bus.listen() as listener,
            ):
                calls: Sequence[Callable[[], object]] = (
                    lambda: bus.publish([event(CHANNEL, "a")]),
                    lambda: bus.whisper(CHANNEL, Broadcast(b"{}", 1.0)),
                    lambda: bus.history(CHANNEL, Position("x", 0), limit=1),
                    lambda: bus.tops([CHANNEL]),
                    lambda: bus.last([CHANNEL]),
                    lambda: bus.claim("1", "token", "digest"),
                    lambda: listener.follow([CHANNEL]),
                )
                for call in calls:
                    with pytest.raises(Unavailable):
                        await call()  # type: ignore[misc]
                await server.start()
                await heard_until_interrupted(listener)
                await listener.follow([CHANNEL])
                await bus.publish([event(CHANNEL, "there")])
                deliveries = await heard(listener, 1)

        assert texts(deliveries) == ["there"]

    async def test_restart_without_data(self, prefix: str) -> None:
        """Listeners are told, hear again, and find another epoch; each outage is logged once."""
        async with (
            redis_server(durable=False) as server,
            processes(server.url, prefix, count=1) as (bus,),
            bus.listen() as listener,
        ):
            await listener.follow([CHANNEL])
            (old,) = await bus.publish([event(CHANNEL, "before")])
            await heard(listener, 1)
            with structlog.testing.capture_logs() as logged:
                server.kill()
                await becomes_deaf(listener)
                with pytest.raises(Unavailable):
                    await bus.publish([event(CHANNEL, "lost")])
                await asyncio.sleep(0.5)  # Several attempts to reconnect fail.
                await server.start()
                before = await heard_until_interrupted(listener)
                (new,) = await bus.publish([event(CHANNEL, "after")])
                deliveries = await heard(listener, 1)

        assert before == [Interrupted()]
        assert new.epoch != old.epoch
        assert texts(deliveries) == ["after"]
        assert [line["event"] for line in logged] == ["backend.lost", "backend.found"]

    async def test_restart_with_data(self, prefix: str) -> None:
        """With its data Redis keeps epochs and offsets, and what was missed is in the history."""
        async with (
            redis_server() as server,
            processes(server.url, prefix) as buses,
            buses[0].listen() as listener,
        ):
            await listener.follow([CHANNEL])
            (old,) = await buses[1].publish([event(CHANNEL, "before", ("k", 1, 5.0))])
            await server.restart()
            await buses[1].publish([event(CHANNEL, "before", ("k", 1, 5.0))])
            await buses[1].publish([event(CHANNEL, "meanwhile", ("k", 2, 5.0))])
            await heard_until_interrupted(listener)
            history = await buses[0].history(CHANNEL, old, limit=10)

        assert history.entries is not None
        assert texts(history.entries) == ["meanwhile"]

    async def test_frozen(self, prefix: str) -> None:
        """A server that does not answer is `Unavailable`; a late answer is never mistaken."""
        async with (
            redis_server() as server,
            processes(server.url, prefix, count=1) as (bus,),
            bus.listen() as listener,
        ):
            await bus.publish([event(CHANNEL, "a", ("k", 1, 5.0))])
            server.pause()
            try:
                publishing = bus.publish([event(CHANNEL, "b", ("k", 2, 5.0))])
                waiting = [bus.tops([CHANNEL]) for _ in range(2 * POOL_SIZE)]
                following = listener.follow([CHANNEL])
                failures = await asyncio.gather(
                    publishing, following, *waiting, return_exceptions=True
                )
            finally:
                server.resume()
            assert {type(failure) for failure in failures} == {Unavailable}
            answered = await bus.publish(
                [event(CHANNEL, "b", ("k", 2, 5.0)), event(CHANNEL, "c", ("k", 3, 5.0))]
            )

            assert answered[-1].offset == 3
            assert await kept(bus, CHANNEL) == ["a", "b", "c"]


class TestSentinel:
    """The master fails, and the sentinels make the replica master."""

    async def test_failover(self, prefix: str) -> None:
        """Publishing goes on at the new master, and listeners are told and hear it."""
        async with (
            redis_sentinel(down_after=0.5) as sentinel,
            processes(sentinel.url, prefix, count=1) as (bus,),
            bus.listen() as listener,
        ):
            await listener.follow([CHANNEL])
            await bus.publish([event(CHANNEL, "before")])
            await heard(listener, 1)
            sentinel.master.kill()
            await becomes_deaf(listener)
            await becomes_available(bus, OTHER)
            await heard_until_interrupted(listener)
            (position,) = await bus.publish([event(CHANNEL, "after")])
            await reached(bus, CHANNEL, position.offset)
            deliveries = await heard(listener, 1)

        assert texts(deliveries) == ["after"]


class TestSecurity:
    """Encrypted connections and users."""

    @pytest.fixture(params=["rediss_url", "redis_acl_url"])
    def url(self, request: pytest.FixtureRequest) -> str:
        """Name a server that does not admit everybody."""
        return str(request.getfixturevalue(request.param))

    async def test_admitted(self, url: str, prefix: str) -> None:
        """TLS and ACL users work for calls and for listeners."""
        async with processes(url, prefix, count=1) as (bus,), bus.listen() as listener:
            await listener.follow([CHANNEL])
            await bus.publish([event(CHANNEL, "a")])

            assert texts(await heard(listener, 1)) == ["a"]

    async def test_wrong_password(self, redis_acl_url: str, prefix: str) -> None:
        """A password that is not accepted makes Redis unavailable, for calls and for listeners."""
        login, _, host = redis_acl_url.rpartition("@")
        async with (
            processes(f"{login}no@{host}", prefix, count=1) as (bus,),
            bus.listen() as listener,
        ):
            with pytest.raises(Unavailable):
                await bus.publish([event(CHANNEL, "a")])
            with pytest.raises(Unavailable):
                await listener.follow([CHANNEL])

    @pytest.mark.parametrize("content", [None, "no certificate"])
    def test_authority_that_cannot_be_read(self, content: str | None, tmp_path: Path) -> None:
        """A certificate file that is missing or empty stops the start, with its name."""
        file = tmp_path / "ca.pem"
        if content:
            file.write_text(content)

        with pytest.raises(Misconfigured, match=r"ca\.pem"):
            RedisConnection(Url(f"rediss://user:secret@127.0.0.1?ca={file}"), "bus")

    async def test_unknown_authority(self, rediss_url: str, prefix: str) -> None:
        """A certificate of an authority that is not named is not accepted."""
        async with processes(rediss_url.partition("?")[0], prefix, count=1) as (bus,):
            with pytest.raises(Unavailable):
                await bus.publish([event(CHANNEL, "a")])

    async def test_certificate_of_another_host(
        self, certificates: Certificates, prefix: str
    ) -> None:
        """A certificate must be of the host that was asked for."""
        async with redis_server(certificates=certificates) as server:
            other_name = server.url.replace("127.0.0.1", "127.0.0.2").replace(
                "localhost", "127.0.0.2"
            )
            async with processes(other_name, prefix, count=1) as (bus,):
                with pytest.raises(Unavailable):
                    await bus.publish([event(CHANNEL, "a")])
