"""Subscription counts over real sockets: subscribers are told how many they are, on all gateways together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from libs.common.apps.memory import MemoryApps
from libs.common.channels import Channel
from services.gateway.channels import subscription_counts
from tests.support.clients.client import ADDED, Client
from tests.support.deadline import DEADLINE
from tests.support.fakes.tallies import stand, subscriptions
from tests.support.services.gateway import APP, Place, place, until

COUNT = "pusher_internal:subscription_count"
COUNTED = msgspec.structs.replace(APP, subscription_counts=True)
A = Channel(APP.id, "a")


def counted() -> MemoryApps:
    return MemoryApps([COUNTED])


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Place, Place]]:
    """Serve two gateways on the same backends."""
    async with (
        place(apps=counted(), lease_renew=0.05) as here,
        place(
            apps=counted(), bus=here.bus, roster=here.roster, tally=here.tally, lease_renew=0.05
        ) as there,
    ):
        yield here, there


async def expect_count(channel: str, total: int, *clients: Client) -> None:
    for client in clients:
        assert await client.expect(COUNT, channel) == {"subscription_count": total}


def total(here: Place) -> int:
    """Return how many subscriptions of the channel the tally has."""
    return here.tally.held(subscriptions(A))


class TestTold:
    """Pusher, "Subscription counting"."""

    @pytest.mark.parametrize("channel", ["a", "private-a", "private-encrypted-a"])
    async def test_come_and_go(self, channel: str) -> None:
        """
        Every subscriber, the newcomer too, is told the number on all gateways, whoever comes and however one goes.
        """
        async with two() as (here, there):
            ann = await here.join(channel)
            await expect_count(channel, 1, ann)
            bob = await there.join(channel)
            await expect_count(channel, 2, ann, bob)
            cy = await here.join(channel)
            await expect_count(channel, 3, ann, bob, cy)

            await ann.unsubscribe(channel)
            await expect_count(channel, 2, bob, cy)
            await cy.close()
            await expect_count(channel, 1, bob)

            await ann.expect_nothing_else()

    async def test_subscribed_twice(self) -> None:
        """
        Who subscribes twice counts once.
        """
        async with place(apps=counted()) as here:
            ann = await here.join("a")
            await expect_count("a", 1, ann)

            await ann.subscribe("a")
            bob = await here.join("a")

            await expect_count("a", 2, ann, bob)

    async def test_after_the_last_event(self) -> None:
        """
        A newcomer to a cache channel is told after what it is greeted with.
        """
        async with place(apps=counted()) as here:
            ann = await here.join("cache-a")

            await ann.expect("pusher:cache_miss", "cache-a")
            await expect_count("cache-a", 1, ann)

    async def test_presence(self) -> None:
        """
        In presence channels nobody is told, as there are members; they are counted.
        """
        async with place(apps=counted()) as here:
            ann = await here.join("presence-a", user="ann")
            bob = await here.join("presence-a", user="bob")
            await ann.expect(ADDED, "presence-a")
            subject = subscriptions(Channel(APP.id, "presence-a"))

            await until(lambda: here.tally.held(subject) == 2)

            for client in (ann, bob):
                await client.expect_nothing_else()

    async def test_switched_off(self) -> None:
        """
        Where the app does not want it nobody is told; they are counted.
        """
        async with place() as here:
            ann = await here.join("a")

            await until(lambda: total(here) == 1)

            await ann.expect_nothing_else()

    async def test_switched_on(self) -> None:
        """
        Where it comes to want it, all are told at the next change.
        """
        apps = MemoryApps([APP])
        async with place(apps=apps) as here:
            ann = await here.join("a")
            await until(lambda: total(here) == 1)

            apps.adopt([COUNTED])
            bob = await here.join("a")

            await expect_count("a", 2, ann, bob)

    async def test_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A large channel is told at intervals, and then of the newest number.
        """
        monkeypatch.setattr(subscription_counts, "LARGE", 1)
        monkeypatch.setattr(subscription_counts, "PAUSE", 2 * DEADLINE)
        async with place(apps=counted()) as here:
            ann = await here.join("a")
            await expect_count("a", 1, ann)
            bob = await here.join("a")
            await expect_count("a", 2, ann, bob)
            others = [await here.join("a") for _ in range(5)]
            await until(lambda: total(here) == 7)
            for client in (ann, bob, *others):
                await client.expect_nothing_else()

            monkeypatch.setattr(subscription_counts, "PAUSE", 0.0)

            await expect_count("a", 7, ann, bob, *others)


class TestReported:
    """Who hears that a client is in, and asks how many are, finds it counted."""

    @pytest.mark.parametrize("channel", ["a", "private-a", "cache-a", "presence-a"])
    async def test_before_it_is_told(self, channel: str) -> None:
        """
        Each newcomer is counted when it is told, the first and those that follow.
        """
        async with two() as (here, there):
            clients = []
            for number, gateway in enumerate([here, here, there, there], start=1):
                user = f"u{number % 3}" if channel.startswith("presence-") else ""
                clients.append(await gateway.join(channel, user=user))

                assert here.tally.held(subscriptions(Channel(APP.id, channel))) == number


class TestHealed:
    """Counts become true again, whatever was away or lost."""

    async def test_tally_away(self) -> None:
        """
        What changed while the tally was away is counted when it is back; nobody waited for it.
        """
        async with place(apps=counted()) as here:
            ann = await here.join("a")
            await expect_count("a", 1, ann)
            here.tally.is_away = True
            bob, cy = await here.join("a"), await here.join("a")
            await bob.unsubscribe("a")
            await until(lambda: here.tally.refusals > 1)
            await ann.expect_nothing_else()

            here.tally.is_away = False

            await expect_count("a", 2, ann, cy)
            await bob.expect_nothing_else()

    async def test_lease_lost(self) -> None:
        """
        Under a new name everything is counted again.
        """
        async with two() as (here, there):
            ann = await here.join("a")
            await expect_count("a", 1, ann)
            bob = await there.join("a")
            await expect_count("a", 2, ann, bob)
            former = here.gateway.state().name

            here.roster.clear(former)
            here.tally.clear(former)

            await expect_count("a", 1, ann, bob)
            await expect_count("a", 2, ann, bob)
            assert former not in here.tally.numbers(subscriptions(A))

    async def test_lost_data(self) -> None:
        """
        So it is when the tally lost everything.
        """
        async with place(apps=counted(), lease_renew=0.05) as here:
            ann = await here.join("a")
            await expect_count("a", 1, ann)

            here.roster.lose_data()
            here.tally.lose_data()

            await expect_count("a", 1, ann)
            assert total(here) == 1

    async def test_gateway_dead(self) -> None:
        """
        What a gateway counted that is no longer there is taken off, and the others are told.
        """
        async with place(apps=counted(), lease_grace=0.1) as here:
            ann = await here.join("a")
            await expect_count("a", 1, ann)
            await stand(here.tally.inner, "a dead one", subscriptions(A), 5)
            await expect_count("a", 6, ann)

            await expect_count("a", 1, ann)

    async def test_gateway_dead_in_presence(self) -> None:
        """
        In presence channels nobody is told of that either.
        """
        channel = Channel(APP.id, "presence-a")
        async with place(apps=counted(), lease_grace=0.1) as here:
            ann = await here.join(channel.name, user="ann")
            await until(lambda: here.tally.held(subscriptions(channel)) == 1)
            here.tally.inner._set(subscriptions(channel), "a dead one", 5, announced=False)
            await until(lambda: "a dead one" not in here.tally.numbers(subscriptions(channel)))

            await here.publish(channel.name, "marker")

            assert await ann.expect("news", channel.name) == "marker"

    async def test_restart(self) -> None:
        """
        A gateway that went in order is counted with nothing, before its lease would have lapsed.
        """
        async with place(apps=counted()) as here:
            ann = await here.join("a")
            await expect_count("a", 1, ann)
            async with place(
                apps=counted(), bus=here.bus, roster=here.roster, tally=here.tally
            ) as there:
                bob = await there.join("a")
                await expect_count("a", 2, ann, bob)

            await expect_count("a", 1, ann)
            assert total(here) == 1
