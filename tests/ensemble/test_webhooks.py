"""Webhooks of a running deployment: told once, in order, whatever happens to processes and receivers."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Verifier

from libs.common.config.secret import Secret
from services.presence.webhooks.signing import webhook_secret
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deployments.fleet import APP, Fleet, said
from tests.support.deployments.program import Program
from tests.support.fakes.webhook_receiver import Receiver, receiver
from tests.support.ports.apps import operated

ROOM, OTHER = "presence-room", "presence-other"
QUICK = {
    "FANFARE_EGRESS_ALLOW": "127.0.0.0/8",
    "FANFARE_PRESENCE_SHARE_TTL": "1",
    "FANFARE_PRESENCE_VACATED_DELAY": "0.2",
    "FANFARE_PRESENCE_WEBHOOK_TIMEOUT": "0.5",
}


@pytest.fixture
async def here() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        yield one


@pytest.fixture
async def fleet(tmp_path: Path, redis_url: str, database_url: str, here: Receiver) -> Fleet:
    fleet = Fleet(tmp_path, redis=redis_url, postgres=database_url)
    await fleet.found()
    hooked = json.dumps([{"url": here.url, "name": "a"}])
    async with operated(database_url) as connection:
        await connection.execute("UPDATE fanfare_apps SET webhooks = $1", hooked)
    return fleet


async def joined(visitor: Visitor, gateway: Program, channel: str, user: str) -> Visitor:
    await visitor.connect(gateway.url)
    await visitor.join(channel, user=user)
    return visitor


def about(told: Receiver, channel: str) -> list[str]:
    """Return what was told of a channel, in order, what came again left out."""
    first = {
        one.id: one for one in reversed(told.accepted)
    }  # Of those with one id the first stays.
    return [
        f"{event['name']} {event.get('user_id', '')}".strip()
        for one in reversed(first.values())
        for event in one.events
        if event["channel"] == channel
    ]


async def until(told: Receiver, channel: str, count: int) -> list[str]:
    await told.until(lambda one: len(about(one, channel)) >= count)
    return about(told, channel)


async def test_told(fleet: Fleet, here: Receiver) -> None:
    """A presence process is killed, the receiver hangs and returns: nothing is lost, or out of order."""
    async with (
        fleet.running("gateway", **QUICK) as gateway,
        fleet.running("presence", **QUICK) as killed,
        fleet.running("presence", **QUICK) as other,
        visitors(APP) as visitor,
    ):
        ann = await joined(visitor(), gateway, ROOM, "ann")
        assert sorted(await until(here, ROOM, 2)) == ["channel_occupied", "member_added ann"]

        here.hang()
        bob = await joined(visitor(), gateway, ROOM, "bob")
        await here.until(lambda one: one.begun >= 3)
        killed.kill()
        await joined(visitor(), gateway, OTHER, "cat")
        await bob.leave()
        here.go_on()
        await until(here, ROOM, 4)
        await ann.leave()
        await until(here, ROOM, 6)
        await until(here, OTHER, 2)

        assert not said(other, "webhook.dead_lettered")

    room = about(here, ROOM)
    assert room[:4][-2:] == ["member_added bob", "member_removed bob"]
    assert sorted(room[4:]) == ["channel_vacated", "member_removed ann"]
    verifier = Verifier(webhook_secret(Secret(APP.secrets[0].reveal())).reveal())
    for told in here.told:
        assert verifier.verify(told.body, told.headers)


async def test_added_at_once(fleet: Fleet, here: Receiver) -> None:
    """A webhook that is added while all runs is told what becomes so from then on."""
    async with receiver() as late, fleet.running(**QUICK) as all_, visitors(APP) as visitor:
        ann = await joined(visitor(), all_, ROOM, "ann")
        await until(here, ROOM, 2)
        hooked = json.dumps([{"url": here.url, "name": "a"}, {"url": late.url, "name": "b"}])
        async with operated(fleet.postgres) as connection:
            await connection.execute("UPDATE fanfare_apps SET webhooks = $1", hooked)
        async with asyncio.timeout(60):
            while not said(all_, "apps.changed"):
                await asyncio.sleep(0.01)
        await joined(visitor(), all_, ROOM, "bob")
        await ann.leave()

        told = await until(late, ROOM, 2)
        await until(here, ROOM, 4)

    assert told[-2:] == ["member_added bob", "member_removed ann"]
