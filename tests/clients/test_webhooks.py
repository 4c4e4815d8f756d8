"""Webhooks, verified by what their receivers use: Pusher's SDKs of PyPI and npm, and Standard Webhooks' library."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pusher import Pusher  # type: ignore[import-untyped]
from standardwebhooks import Webhook as Verifier

from libs.common.config.secret import Secret
from libs.common.lifecycle.facts import KINDS, Recorded
from services.presence.webhooks.signing import webhook_secret
from tests.support.clients.pusherjs import Driver
from tests.support.fakes.webhook_receiver import Told, receiver
from tests.support.services.webhooks import SECRET, app_with, hook, record, site

KEY = "key-1"


@pytest.fixture(params=[False, True], ids=["each", "batched"])
async def told(request: pytest.FixtureRequest) -> AsyncIterator[list[Told]]:
    """Return what a receiver got of every kind, over HTTP."""
    async with receiver() as here:
        hooked = hook(here, events=KINDS, batching=request.param)
        async with site(app_with(hooked)) as held:
            await held["a"].take(everything())
        yield here.told


def everything() -> list[Recorded]:
    """Record a fact of every kind, each about a channel or a user of its own."""
    fields: dict[str, dict[str, Any]] = {
        "client_event": {"event": "client-x", "data": '{"ä":"\\u2028"}', "socket_id": "1.2"},
        "subscription_count": {"count": 3},
        "message_read": {"data": "42"},
    }
    return [
        record(kind, "" if "user" in kind else f"presence-{kind}", "7", **fields.get(kind, {}))
        for kind in KINDS
    ]


def test_pypi(told: list[Told]) -> None:
    sdk = Pusher(app_id="1", key=KEY, secret=SECRET)

    received = [
        sdk.validate_webhook(
            each.headers["X-Pusher-Key"], each.headers["X-Pusher-Signature"], each.body.decode()
        )
        for each in told
    ]

    assert {event["name"] for each in received for event in each["events"]} == {*KINDS}


def test_standard_webhooks(told: list[Told]) -> None:
    verifier = Verifier(webhook_secret(Secret(SECRET)).reveal())

    received = [verifier.verify(each.body, each.headers) for each in told]

    assert {event["name"] for each in received for event in each["events"]} == {*KINDS}


async def test_npm(told: list[Told], node: Driver) -> None:
    node.say(
        "backend", backend="w", options={"appId": "1", "key": KEY, "secret": SECRET, "host": "x"}
    )
    events = []
    for each in told:
        headers = {name.lower(): value for name, value in each.headers.items()}
        said = await node.ask("webhook", backend="w", headers=headers, body=each.body.decode())
        assert said["valid"]
        events += said["events"]
        forged = each.body.decode().replace("1", "2")
        said = await node.ask("webhook", backend="w", headers=headers, body=forged)
        assert not said["valid"]

    assert {event["name"] for event in events} == {*KINDS}
