"""Client events, from one gateway's clients to all others."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from libs.common.channels import Channel
from libs.common.config.secret import Secret
from services.gateway.channels.whispers import Whispers
from tests.support.clients.client import Client
from tests.support.services.gateway import APP, Place, place, until


class TestWhispers:
    """docs/protocol.md, "Client events"."""

    async def test_to_the_others(self) -> None:
        """
        A client event reaches the channel's other subscribers, on this gateway and on others.
        """
        async with (
            place() as here,
            place(bus=here.bus, roster=here.roster) as there,
        ):
            sender, near = await here.join("private-1"), await here.join("private-1")
            far = await there.join("private-1")

            await sender.whisper("private-1", "client-typing", {"on": True})

            for client in (near, far):
                assert await client.expect("client-typing", "private-1") == {"on": True}
            await here.publish("private-1", "1")
            assert await sender.expect("news", "private-1") == 1

    async def test_member(self) -> None:
        """
        On a presence channel it carries the sender's id.
        """
        async with place() as here:
            sender = await here.join("presence-1", user="ann")
            other = await here.join("presence-1", user="bob")
            await sender.expect("pusher_internal:member_added", "presence-1")

            await sender.whisper("presence-1", "client-typing", "x")

            message = await other.read()
            assert (message["event"], message["user_id"]) == ("client-typing", "ann")

    async def test_order(self) -> None:
        """
        Those of one client arrive in its order.
        """
        app = structs.replace(APP, limits=Limits(client_events=0))
        async with place(apps=MemoryApps([app])) as here:
            sender, other = await here.join("private-1"), await here.join("private-1")

            for number in range(50):
                await sender.whisper("private-1", "client-n", number)

            assert [await other.expect("client-n", "private-1") for _ in range(50)] == list(
                range(50)
            )

    async def test_bus_away(self) -> None:
        """
        What finds the bus away is dropped and counted; later ones arrive.
        """
        async with place() as here:
            sender, other = await here.join("private-1"), await here.join("private-1")
            here.bus.is_away = True
            await sender.whisper("private-1", "client-n", 1)
            await until(lambda: here.gateway.counters.whispers_dropped == 1)

            here.bus.is_away = False
            await sender.whisper("private-1", "client-n", 2)

            assert await other.expect("client-n", "private-1") == 2

    async def test_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        What finds the queue full is dropped and counted; who sent it is told, and stays.
        """
        monkeypatch.setattr(Whispers, "LIMIT", 0)
        async with place() as here:
            sender, other = await here.join("private-1"), await here.join("private-1")
            with capture_logs() as logs:
                for number in range(3):
                    await sender.whisper("private-1", "client-n", number)
                    assert "of this app" in await sender.expect_error(4301)

            await other.expect_nothing_else()
            assert here.gateway.counters.whispers_dropped == 3
            told = [line for line in logs if line["event"] == "client_events.exceeded"]
            assert [line["app"] for line in told] == ["1"]

    async def test_not_in_the_history(self) -> None:
        """
        They enter no history.
        """
        async with place() as here:
            sender, other = await here.join("private-1"), await here.join("private-1")

            await sender.whisper("private-1", "client-n", 1)
            await other.expect("client-n", "private-1")

            top = (await here.bus.tops([Channel(APP.id, "private-1")]))[
                Channel(APP.id, "private-1")
            ]
            assert top.offset == 0


class TestApps:
    """Apps that share a gateway do not feel each other."""

    async def test_in_turn(self) -> None:
        """
        What one app's client says does not wait for what another app's have said before.
        """
        async with crowded() as (here, many, one):
            await many.whisper("private-1", "client-n", 0)
            await until(lambda: here.gateway.counters.received.get("text", 0) == 3)
            for number in range(1, 200):
                await many.whisper("private-1", "client-n", number)
            await many.expect_nothing_else()
            await one.whisper("private-1", "client-n", 1)
            await one.expect_nothing_else()

            here.bus.whispers.set()
            await until(lambda: len(here.bus.whispered) == 201)

            assert [each.app for each in here.bus.whispered].index("2") <= 2

    async def test_full(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        The app whose clients say too much loses some of it, and no other.
        """
        monkeypatch.setattr(Whispers, "LIMIT", 10)
        async with crowded() as (here, many, one):
            for number in range(20):
                await many.whisper("private-1", "client-n", number)
            for _ in range(9):
                assert "of this app" in await many.expect_error(4301)
            for number in range(5):
                await one.whisper("private-1", "client-n", number)
            await one.expect_nothing_else()

            here.bus.whispers.set()
            await until(lambda: len(here.bus.whispered) == 11)

            assert [each.app for each in here.bus.whispered].count("2") == 5
            assert here.gateway.counters.whispers_dropped == 14


@asynccontextmanager
async def crowded() -> AsyncIterator[tuple[Place, Client, Client]]:
    """Serve two apps whose whispers wait, with a client of each in a channel."""
    first = structs.replace(APP, limits=Limits(client_events=0))
    second = structs.replace(first, id="2", key="other", secrets=(Secret("another"),))
    async with place(apps=MemoryApps([first, second])) as here:
        many, one = await here.connect(), await here.connect("/app/other?protocol=7", app=second)
        for client in (many, one):
            await client.subscribe("private-1")
        here.bus.whispers.clear()
        yield here, many, one
