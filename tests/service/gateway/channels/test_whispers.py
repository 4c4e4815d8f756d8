"""Client events, from one gateway's clients to all others."""

import pytest
from msgspec import structs

from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from libs.common.channels import Channel
from services.gateway.channels.whispers import Whispers
from tests.support.services.gateway import APP, place, until


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
        What finds the queue full is dropped and counted, and nobody is sent away for it.
        """
        async with place() as here:
            sender, other = await here.join("private-1"), await here.join("private-1")
            with monkeypatch.context() as patch:
                patch.setattr(Whispers, "LIMIT", 0)
                await sender.whisper("private-1", "client-n", 1)
                await sender.expect_nothing_else()
            assert here.gateway.counters.whispers_dropped == 1

            await sender.whisper("private-1", "client-n", 2)

            assert await other.expect("client-n", "private-1") == 2

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
