"""Guarded public channels at served gateways."""

import json
import time

from libs.common.apps.signatures import token, user_text
from libs.common.control.commands import Command
from libs.common.control.memory import MemoryControl
from libs.common.policies.guards import Guards
from libs.common.policies.policies import Policies
from libs.common.policies.selections import SelectedChannels
from libs.common.policies.settings import ChannelPolicy
from services.reload import Rules
from tests.support.clients import pusher
from tests.support.clients.client import SUCCEEDED, Client
from tests.support.services.gateway import APP, place
from tests.support.tokens.channel_tokens import channel_token

OURS = "products.a"
GUARD = ChannelPolicy(app=APP.id, pattern="products.{tenant}", allow="claims.tenant == tenant")


async def sign_in(client: Client, **more: object) -> None:
    """Sign in as ann, as her back end lets her."""
    data = json.dumps({"id": "ann", **more})
    auth = token(APP, user_text(client.socket_id, data))
    words = {"event": "pusher:signin", "data": {"auth": auth, "user_data": data}}
    await client.send(json.dumps(words))
    await client.expect("pusher:signin_success")


async def refused(client: Client, channel: str) -> int:
    """Read why a channel is not open, which must be next; return the status."""
    data = await client.expect("pusher:subscription_error", channel)
    return int(data["status"])


async def test_events() -> None:
    """Who was let in gets what is published, and nobody else."""
    async with place(guards=[GUARD]) as here:
        ann, eve = await here.connect(), await here.connect()
        await ann.send(pusher.subscribe(OURS))  # It comes before the sign-in, and waits.
        await sign_in(ann, claims={"tenant": "a"})
        await ann.expect(SUCCEEDED, OURS)
        await sign_in(eve, claims={"tenant": "b"})
        await eve.send(pusher.subscribe(OURS))
        assert await refused(eve, OURS) == 403

        await here.publish(OURS, "1")

        await ann.expect("news", OURS)
        await eve.expect_nothing_else()


async def test_never_signed_in() -> None:
    """Who does not say in time who it is, is refused, though it is silent."""
    async with place(guards=[GUARD], sign_in_wait=0.2) as here:
        client = await here.connect()
        await client.send(pusher.subscribe(OURS))

        assert await refused(client, OURS) == 401


async def test_revoked() -> None:
    """What a token's claims had opened ends with the token."""
    control = MemoryControl()
    text, carried = channel_token("ann", now=time.time(), claims={"tenant": "a"})
    async with place(guards=[GUARD], control=control) as here:
        ann = await here.connect()
        await ann.send(json.dumps({"event": "pusher:signin", "data": {"auth": text}}))
        await ann.expect("pusher:signin_success")
        await ann.subscribe(OURS)

        now = time.time()
        await control.send(Command("revoke", APP.id, carried.jti, now, now + 60, kind="jti"))

        assert await refused(ann, OURS) == 401
        await ann.expect_error(4009)


async def test_replaced() -> None:
    """Policies that were read again count for who comes; who is there stays."""
    async with place() as here:
        before, after = await here.connect(), await here.connect()
        await before.subscribe(OURS)

        here.gateway.adopt(
            Rules(
                Policies([]),
                Guards([GUARD]),
                routes=(),
                typing=SelectedChannels(),
                receipts=SelectedChannels(),
            )
        )

        await after.send(pusher.subscribe(OURS))
        await after.subscribe("news")
        await here.publish(OURS, "1")
        await before.expect("news", OURS)
        await after.expect_nothing_else()
