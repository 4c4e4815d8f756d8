"""Clients who subscribe faster than rates allow: they wait for their turn, and nothing is refused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from libs.common.tally.port import LARGE
from tests.support.clients import pusher
from tests.support.clients.attackers import attackers
from tests.support.clients.client import ADDED, SUCCEEDED
from tests.support.services.gateway import APP, Place, place, until

APPS = MemoryApps([msgspec.structs.replace(APP, limits=Limits(channels=2))])
HARDLY = 0.001  # A second: none in a test.
ROOM = "presence-room"


def delayed(here: Place) -> int:
    """Count the subscribes that wait for their turn."""
    return here.gateway.state().delayed


@asynccontextmanager
async def crowd(here: Place, channel: str, many: int) -> AsyncIterator[None]:
    """Have many join a channel."""
    async with attackers(here.port, "/app/app-key?protocol=7", many) as clients:
        for client in clients:
            await client.send(pusher.subscribe(channel))
            assert SUCCEEDED.encode() in (await client.frame()).payload
        yield


class TestTurn:
    """Waiting, and what ends it."""

    async def test_in_order(self) -> None:
        """What waits is answered in its order, and the client is not told that it waits."""
        async with place(new_channels_per_address=50, new_channels_per_address_burst=1) as here:
            client = await here.connect()
            for name in ("a", "b", "c", "d"):
                await client.ask(name)

            for name in ("a", "b", "c", "d"):
                assert await client.expect(SUCCEEDED, name) == {}
            assert delayed(here) == 0
            assert here.gateway.counters.subscribes_refused == {}

    async def test_withdrawn(self) -> None:
        """Who unsubscribes waits no more, and takes up none of its channels by that."""
        async with place(apps=APPS, subscribes=HARDLY, subscribes_burst=1) as here:
            client = await here.join("a", "b")
            await client.unsubscribe("b")
            await client.subscribe("b")
            await client.unsubscribe("b")
            for n in range(50):
                await client.ask(f"c{n}")
                await client.unsubscribe(f"c{n}")
            await client.ask("last")
            await client.expect_nothing_else()

            assert delayed(here) == 1

    async def test_asked_anew(self) -> None:
        """Nor does who asked for a channel that it was in: else it would come back by itself."""
        async with place(new_channels=HARDLY, new_channels_burst=2) as here:
            ann, bob = await here.join(ROOM, user="ann"), await here.join(ROOM, user="bob")
            await ann.expect(ADDED, ROOM)
            await bob.ask(ROOM, user="bob")
            await bob.expect_nothing_else()
            assert delayed(here) == 1

            await bob.unsubscribe(ROOM)

            await ann.expect("pusher_internal:member_removed", ROOM)
            assert delayed(here) == 0

    async def test_gone(self) -> None:
        """What a client waited for is forgotten when it goes."""
        async with place(new_channels=HARDLY, new_channels_burst=1) as here:
            client = await here.join("a")
            await client.ask("b")
            await client.expect_nothing_else()
            assert delayed(here) == 1

            await client.close()

            await until(lambda: delayed(here) == 0)

    async def test_no_room(self) -> None:
        """Where no more may wait a client is sent away, to return."""
        async with place(new_channels=HARDLY, new_channels_burst=1, max_waiting=2) as here:
            first, second = await here.join("a"), await here.connect()
            await first.ask("b")
            await first.expect_nothing_else()

            await second.ask("c")

            assert "too many wait" in await second.expect_error(4100)
            assert await second.expect_close() == 4100
            assert delayed(here) == 1


class TestOthers:
    """Those who stay within their budgets."""

    async def test_own_budget(self) -> None:
        """They are answered at once while others wait, and what those are in goes on."""
        async with place(apps=APPS, subscribes=HARDLY, subscribes_burst=1) as here:
            greedy, other = await here.join("a", "b"), await here.connect()
            await greedy.unsubscribe("b")
            await greedy.subscribe("b")
            await greedy.unsubscribe("b")
            await greedy.ask("b")
            await greedy.expect_nothing_else()

            await other.subscribe("a")
            await here.publish("a", "1")

            assert await other.expect("news", "a") == 1
            assert await greedy.expect("news", "a") == 1
            assert delayed(here) == 1

    async def test_members(self) -> None:
        """A member who joins and leaves is told of to the others as often as it may, and no more."""
        async with place(new_channels=HARDLY, new_channels_burst=3) as here:
            ann, bob = await here.join(ROOM, user="ann"), await here.join(ROOM, user="bob")
            await ann.expect(ADDED, ROOM)
            await bob.unsubscribe(ROOM)
            await ann.expect("pusher_internal:member_removed", ROOM)
            await bob.subscribe(ROOM, user="bob")
            await ann.expect(ADDED, ROOM)
            await bob.unsubscribe(ROOM)
            await ann.expect("pusher_internal:member_removed", ROOM)

            await bob.ask(ROOM, user="bob")
            await bob.expect_nothing_else()

            await ann.expect_nothing_else()
            assert delayed(here) == 1


class TestNew:
    """Which subscribes take of what all share."""

    async def test_crowd(self) -> None:
        """Not those to a large channel."""
        async with (
            place(new_channels=HARDLY, new_channels_burst=LARGE + 1) as here,
            crowd(here, "hall", LARGE + 1),
        ):
            late = await here.join("hall")
            await late.ask("other")
            await late.expect_nothing_else()

            assert delayed(here) == 1

    async def test_empty_cache(self) -> None:
        """Those to a cache channel that keeps nothing do: of each a back end may be told."""
        async with (
            place(new_channels=HARDLY, new_channels_burst=LARGE + 2) as here,
            crowd(here, "cache-hall", LARGE + 2),
        ):
            late = await here.connect()
            await late.ask("cache-hall")
            await late.expect_nothing_else()
            assert delayed(here) == 1
