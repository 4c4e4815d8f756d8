"""Channel tokens at served gateways, and the commands that end what they opened."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import msgspec
import pytest
from structlog.testing import capture_logs

from libs.common.apps.memory import MemoryApps
from libs.common.control.memory import MemoryControl
from services.gateway.connections.connection import Connection
from tests.support.clients import pusher
from tests.support.clients.client import SUCCEEDED, Client
from tests.support.clients.token_clients import (
    PRESENCE,
    PRIVATE,
    command,
    expect_refusal,
    issued,
    join,
)
from tests.support.deadline import DEADLINE
from tests.support.fakes.faults import FaultyBus, FaultyRoster
from tests.support.fakes.tallies import FaultyTally
from tests.support.services.gateway import APP, Place, place, until
from tests.support.services.listener import living
from tests.support.tokens.keys import app_key, forged, payload


class Pair(NamedTuple):
    """Two gateways of one deployment."""

    one: Place
    two: Place
    control: MemoryControl


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    bus, control = FaultyBus(), MemoryControl()
    roster = FaultyRoster(bus)
    shared: dict[str, Any] = {"bus": bus, "roster": roster, "control": control}
    shared["tally"] = FaultyTally(bus, roster.inner_leases)
    async with place(**shared) as one, place(**shared) as two:
        yield Pair(one, two, control)


class TestOrders:
    """Orders reach every gateway."""

    @pytest.mark.parametrize("kind", ["token", "jti", "user"])
    async def test_revoke(self, pair: Pair, kind: str) -> None:
        """A token that was accepted at two gateways opens nothing any more at either."""
        text, token = issued()
        other, _ = issued(user="bob")
        ann, too = await pair.one.connect(), await pair.two.connect()
        bob = await pair.two.connect()
        for client in (ann, too):
            await join(client, text, PRIVATE)
        await join(bob, other, PRIVATE)

        await pair.control.send(
            command("revoke", "ann" if kind == "user" else token.jti, kind=kind)
        )

        for client in (ann, too):
            assert await expect_refusal(client, PRIVATE) == 401
            await client.send(pusher.subscribe(PRIVATE, auth=text))
            assert await expect_refusal(client, PRIVATE) == 401
        await pair.one.publish(PRIVATE, "1")
        assert await bob.expect("news", PRIVATE) == 1
        await bob.expect_nothing_else()
        for client in (ann, too):
            await client.expect_nothing_else()

    async def test_member_revoked(self, pair: Pair) -> None:
        """A member leaves for all to see, at once."""
        bob = await pair.two.join(PRESENCE, user="bob")
        ann = await pair.one.connect()
        await join(ann, issued()[0], PRESENCE)
        await bob.expect("pusher_internal:member_added", PRESENCE)

        await pair.control.send(command("revoke", "ann"))

        assert await expect_refusal(ann, PRESENCE) == 401
        assert await bob.expect("pusher_internal:member_removed", PRESENCE) == {"user_id": "ann"}

    async def test_expel(self, pair: Pair) -> None:
        """The channels that are meant are lost at both, and what opened them opens them no more."""
        text, _ = issued()
        both = [await each.connect() for each in (pair.one, pair.two)]
        for client in both:
            await join(client, text, PRIVATE, "private-other")

        await pair.control.send(command("expel", "ann", "private-room.*"))

        for client in both:
            assert await expect_refusal(client, PRIVATE) == 403
            await client.send(pusher.subscribe(PRIVATE, auth=text))
            assert await expect_refusal(client, PRIVATE) == 403
            await join(
                client, issued(at=time.time() + 1)[0], PRIVATE
            )  # Of after the command, also by milliseconds.
            await client.expect_nothing_else()

    async def test_signed_in(self, pair: Pair) -> None:
        """Who signed in with a token that is revoked is nobody, and what ends that user does not mean it."""
        text, token = issued()
        ann, too = await pair.one.connect(), await pair.one.connect()
        for client, auth in ((ann, text), (too, issued()[0])):
            await client.send({"event": "pusher:signin", "data": {"auth": auth}})
            await client.expect("pusher:signin_success")

        await pair.control.send(command("revoke", token.jti, kind="jti"))
        await ann.expect_error(4009)
        await pair.control.send(command("terminate", "ann"))

        await too.expect_error(4009)
        assert await too.expect_close() == 4009
        await ann.expect_nothing_else()

    async def test_nothing_kept(self, pair: Pair) -> None:
        """Of who was signed out and went nothing is kept."""
        before = living(Connection)
        ann = await pair.one.connect()
        await ann.send({"event": "pusher:signin", "data": {"auth": issued()[0]}})
        await ann.expect("pusher:signin_success")
        await pair.control.send(command("revoke", "ann"))
        await ann.expect_error(4009)

        await ann.close()

        await until(lambda: living(Connection) <= before)


class TestDroppedKey:
    """A key of the app's own issuer, which is taken out of the app."""

    async def test_ends(self) -> None:
        """What tokens that it signed had opened ends, though its client is silent; others stay."""
        owner = msgspec.structs.replace(APP, token_keys=(app_key("own"),))
        apps = MemoryApps([owner])
        now = time.time()
        text = forged(payload(aud="1", iat=now, exp=now + 60, channels=["*"]), kid="own", number=9)
        async with place(apps=apps) as here:
            ann = await here.connect()
            await join(ann, text, PRIVATE)
            await join(ann, issued(user="ann")[0], PRESENCE)

            apps.adopt([APP])

            assert await expect_refusal(ann, PRIVATE) == 401
            await ann.expect_nothing_else()


class TestCarried:
    """A token in the query of the connection."""

    async def test_good(self, pair: Pair) -> None:
        """It opens what it names, without another word."""
        text, _ = issued(PRIVATE, PRESENCE)
        ann = await pair.one.connect(f"/app/app-key?protocol=7&token={text}")

        await join(ann, "", PRIVATE, PRESENCE)
        await ann.send(pusher.subscribe("private-other"))
        assert await expect_refusal(ann, "private-other") == 403

    @pytest.mark.parametrize("flaw", ["nonsense", "other app", "revoked"])
    async def test_bad(self, pair: Pair, flaw: str) -> None:
        """A bad one is told so, and not to come again; of the token nothing is told."""
        text, token = issued()
        if flaw == "other app":
            text, _ = issued(app="2")
        if flaw == "revoked":
            known = await pair.one.connect()
            await join(known, text, PRIVATE)
            await pair.control.send(command("revoke", token.jti, kind="jti"))
            await expect_refusal(known, PRIVATE)
        shown = "a.b.c" if flaw == "nonsense" else text

        client = await pair.one.open(f"/app/app-key?protocol=7&token={shown}")

        assert shown not in await client.expect_error(4009)
        assert await client.expect_close() == 4009

    async def test_expired(self, pair: Pair) -> None:
        """One that has expired is told of, and the client stays: it may show a newer one."""
        text, _ = issued(at=time.time() - 100, ttl=50)

        client = await pair.one.connect(f"/app/app-key?protocol=7&token={text}")

        assert text not in await client.expect_error(4009)
        await client.send(pusher.subscribe(PRIVATE))
        assert await expect_refusal(client, PRIVATE) == 401
        await join(client, issued()[0], PRIVATE)

    async def test_revoked(self, pair: Pair) -> None:
        """Once it is revoked it opens nothing, and the connection stays."""
        text, token = issued()
        ann = await pair.two.connect(f"/app/app-key?protocol=7&token={text}")
        await join(ann, "", PRIVATE)

        await pair.control.send(command("revoke", token.jti, kind="token"))

        assert await expect_refusal(ann, PRIVATE) == 401
        await ann.send(pusher.subscribe("private-other"))
        assert await expect_refusal(ann, "private-other") == 401
        await ann.subscribe("private-other")


async def join_briefly(client: Client) -> None:
    """Join with a token that is over soon, though not before it was looked at, however slow all is."""
    for ttl in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0):
        await client.send(pusher.subscribe(PRIVATE, auth=issued(PRIVATE, ttl=ttl)[0]))
        if (await client.read())["event"] == SUCCEEDED:
            return
    raise AssertionError("every token was over before it was looked at")


class TestExpiry:
    """Time that passes."""

    @pytest.mark.parametrize("grace", [0.0, 0.2])
    async def test_over(self, grace: float) -> None:
        """What a token opened is lost by itself, though its client is silent."""
        async with place(token_grace=grace) as here:
            ann = await here.connect()
            await join_briefly(ann)

            assert await expect_refusal(ann, PRIVATE) == 401
            await here.publish(PRIVATE, "1")
            await ann.expect_nothing_else()

    async def test_busy(self) -> None:
        """So also where its client goes on and on showing another token, for another channel."""
        async with place(token_grace=0.1) as here:
            ann = await here.connect()
            await join_briefly(ann)
            good, frames = issued(PRESENCE)[0], 0

            message: dict[str, Any] = {}
            async with asyncio.timeout(DEADLINE):
                while message.get("channel") != PRIVATE:
                    await ann.send(pusher.subscribe(PRESENCE, auth=good))
                    message = await ann.read()
                    frames += 1

            assert (message["event"], message["data"]["status"]) == (
                "pusher:subscription_error",
                401,
            )
            assert frames > 1


class TestLogs:
    """What operators read."""

    async def test_no_token(self, caplog: pytest.LogCaptureFixture) -> None:
        """Of no token, good or bad, does a part stand in any line."""
        caplog.set_level(0)
        control = MemoryControl()
        text, _ = issued()
        stale, _ = issued(at=time.time() - 100, ttl=50)
        with capture_logs() as logs:
            async with place(control=control) as here:
                ann = await here.connect(f"/app/app-key?protocol=7&token={text}")
                await join(ann, text, PRIVATE)
                await ann.send(pusher.subscribe(PRIVATE, auth=stale))
                await expect_refusal(ann, PRIVATE)
                late = await here.connect(f"/app/app-key?protocol=7&token={stale}")
                await late.expect_error(4009)
                refused = await here.open(f"/app/app-key?protocol=7&token={text[:-3]}")
                await refused.expect_error(4009)
                await control.send(command("revoke", "ann"))
                await expect_refusal(ann, PRIVATE)
                await ann.close()

        assert {"connection.refused", "connection.closed"} <= {line["event"] for line in logs}
        for secret in {part for each in (text, stale) for part in each.split(".")[1:]}:
            assert secret not in str(logs) + caplog.text
