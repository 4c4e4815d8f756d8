"""Quotas of connections of an address, a user and a tenant, over real sockets."""

from collections import Counter
from ipaddress import ip_network
from typing import Any

from libs.common.rates.limited import refusals_by_limit
from libs.common.web.proxies import Proxies
from tests.support.services.gateway import place, until
from tests.support.services.quotas import (
    ANN,
    expect_let_in,
    expect_refused,
    expect_sent_away,
    held,
    limited,
    sign_in,
    slow,
    until_nothing_is_held,
)

LOCAL = Proxies([ip_network("127.0.0.0/8")])


def refused() -> Counter[str]:
    """Tell how often each limit was the reason of a refusal."""
    return Counter(refusals_by_limit())


class TestAddress:
    """Of a client's address, as the nearest proxy that is trusted tells it."""

    async def test_each(self) -> None:
        """
        Each address has its own quota.
        """
        async with place(apps=limited(connections_per_address=1), proxies=LOCAL) as here:
            first = await here.connect(headers={"X-Forwarded-For": "198.51.100.1"})

            await expect_refused(here, 4004, {"X-Forwarded-For": "198.51.100.1"})
            second = await here.connect(headers={"X-Forwarded-For": "198.51.100.2"})
            await expect_let_in(first, second)

    async def test_a_crowd_takes_no_room(self) -> None:
        """
        What an address is refused does not count for the app.
        """
        apps, before = limited(connections=2, connections_per_address=1), refused()
        async with place(apps=apps, proxies=LOCAL) as here:
            first = await here.connect(headers={"X-Forwarded-For": "198.51.100.1"})
            for _ in range(5):
                await expect_refused(here, 4004, {"X-Forwarded-For": "198.51.100.1"})

            second = await here.connect(headers={"X-Forwarded-For": "198.51.100.2"})
            await expect_let_in(first, second)
            assert refused() - before == {"connections_per_address": 5}
            await expect_refused(here, 4004, {"X-Forwarded-For": "198.51.100.3"})
            assert refused() - before == {"connections_per_address": 5, "connections": 1}


class TestUser:
    """Of who signs in: it is let in before it is known."""

    async def test_on_all_gateways(self) -> None:
        """
        Who signs in as a user that has as many connections as it may is closed; others are not.
        """
        often: dict[str, Any] = {"apps": limited(connections_per_user=1), "lease_renew": 0.05}
        async with (
            place(**often) as here,
            place(bus=here.bus, roster=here.roster, tally=here.tally, **often) as there,
        ):
            before = refused()
            first, second, bob = await here.connect(), await there.connect(), await there.connect()
            await sign_in(first, "ann")
            await sign_in(bob, "bob")
            await until(lambda: held(here, ANN) == 1)

            await sign_in(second, "ann")

            await expect_sent_away(second, 4004)
            await expect_let_in(first, bob)
            assert held(here, ANN) == 1
            assert refused() - before == {"connections_per_user": 1}

    async def test_twice(self) -> None:
        """
        Signing in twice counts once, also while the tally is still asked about the first time.
        """
        async with slow(limited(connections_per_user=1)) as (here, tally):
            client = await here.connect()
            tally.answers.clear()
            await sign_in(client, "ann")
            await sign_in(client, "ann")
            await client.expect_nothing_else()
            tally.answers.set()
            await until(lambda: held(here, ANN) == 1)

            await sign_in(client, "ann")

            await client.expect_nothing_else()
            await client.close()
            await until_nothing_is_held(here)

    async def test_gone_meanwhile(self) -> None:
        """
        Who goes while the tally is asked counts for nothing.
        """
        async with slow(limited(connections_per_user=1)) as (here, tally):
            client = await here.connect()
            tally.answers.clear()
            await sign_in(client, "ann")
            await client.close()
            await until(lambda: here.gateway.counters.closed == {1000: 1})

            tally.answers.set()

            await until_nothing_is_held(here)
            assert here.gateway.state().signing_in == 0

    async def test_tally_away(self) -> None:
        """
        Who cannot be judged is told to come back.
        """
        async with place(apps=limited(connections_per_user=1)) as here:
            client = await here.connect()
            here.tally.is_away = True

            await sign_in(client, "ann")

            await expect_sent_away(client, 4100)

    async def test_tenant(self) -> None:
        """
        A tenant's users share its quota; who has no tenant has none.
        """
        apps = limited("company", connections_per_tenant=1)
        async with place(apps=apps) as here:
            ann, bob, cy = [await here.connect() for _ in range(3)]
            await sign_in(ann, "ann", {"company": "acme"})
            await ann.expect_nothing_else()

            await sign_in(bob, "bob", {"company": "acme"})
            await sign_in(cy, "cy", {"name": "Cy"})

            await expect_sent_away(bob, 4004)
            await cy.expect_nothing_else()
