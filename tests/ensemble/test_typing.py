"""Who types, on gateways and presence processes of their own, on real Redis."""

import json
import secrets
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.clients.visitors import Visitor, visitors
from tests.support.deployments.fleet import APP, Fleet
from tests.support.deployments.program import Program

PATIENT = {"FANFARE_PRESENCE_TYPING_TTL": "60"}
QUICK = {"FANFARE_PRESENCE_TYPING_TTL": "1"}


class Stage(NamedTuple):
    """A deployment with a gateway that goes on while others are broken."""

    fleet: Fleet
    gateway: Program


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> AsyncIterator[Stage]:
    directory: Path = tmp_path_factory.mktemp("typing")
    fleet = Fleet(directory, redis=redis_url)
    async with fleet.running("presence"), fleet.running("gateway", **PATIENT) as gateway:
        yield Stage(fleet, gateway)


@pytest.fixture
def room() -> str:
    """Return a channel that no other test has."""
    return f"presence-{secrets.token_hex(4)}"


async def joined(visitor: Visitor, gateway: Program, room: str, user: str) -> Visitor:
    await visitor.connect(gateway.url)
    await visitor.join(room, user=user)
    return visitor


async def says(visitor: Visitor, room: str, event: str = "client-typing", **data: Any) -> None:
    await visitor.say(json.dumps({"event": event, "channel": room, "data": data}).encode())


def lists(visitor: Visitor) -> list[list[str]]:
    """Return the lists of who types that a visitor was told, in order."""
    told = [frame for frame in visitor.frames if frame["event"] == "fanfare:typing"]
    return [frame["data"]["user_ids"] for frame in told]


async def until_listed(visitor: Visitor, *users: str) -> None:
    await visitor.until(lambda: lists(visitor)[-1:] == [list(users)])


async def test_two_gateways(stage: Stage, room: str) -> None:
    """
    One types on each, one stops, one sends: all are told, and so is who comes later.
    """
    async with visitors(APP) as visitor, stage.fleet.running("gateway", **PATIENT) as other:
        ann, bob, eve = (visitor() for _ in range(3))
        await joined(ann, stage.gateway, room, "ann")
        await joined(bob, other, room, "bob")
        await says(ann, room)
        await says(bob, room)
        for each in (ann, bob):
            await until_listed(each, "ann", "bob")

        await joined(eve, other, room, "eve")
        await until_listed(eve, "ann", "bob")
        assert lists(eve) == [["ann", "bob"]]

        await says(ann, room, typing=False)
        await until_listed(eve, "bob")
        await says(bob, room, "client-message", text="hello")
        for each in (ann, bob, eve):
            await until_listed(each)
        await joined(eve, stage.gateway, room, "eve")
        await until_listed(eve)


async def test_killed(stage: Stage, room: str) -> None:
    """
    Who typed at a gateway that was killed does so no more when the time is over.
    """
    async with visitors(APP) as visitor, stage.fleet.running("gateway", **QUICK) as doomed:
        ann, bob = visitor(), visitor()
        await joined(ann, stage.gateway, room, "ann")
        await joined(bob, doomed, room, "bob")
        await says(bob, room)
        await until_listed(ann, "bob")

        doomed.send(signal.SIGKILL)

        await until_listed(ann)


async def test_ended_in_order(stage: Stage, room: str) -> None:
    """
    Of a gateway that drains nobody types any more when it has gone.
    """
    async with visitors(APP) as visitor, stage.fleet.running("gateway", **PATIENT) as leaving:
        ann, bob = visitor(), visitor()
        await joined(ann, stage.gateway, room, "ann")
        await joined(bob, leaving, room, "bob")
        await says(bob, room)
        await until_listed(ann, "bob")

        assert await leaving.stop() == 0

        await until_listed(ann)
        assert lists(ann) == [["bob"], []]


async def test_read(stage: Stage) -> None:
    """
    What clients say of how far they have read comes back as the marks that stand, on every gateway.
    """
    chat = f"private-chat.{secrets.token_hex(4)}"
    room = f"presence-{secrets.token_hex(4)}"
    async with visitors(APP) as visitor, stage.fleet.running("gateway", **PATIENT) as other:
        ann, bob = visitor(), visitor()
        await joined(ann, stage.gateway, room, "ann")  # Whose permission says who she is.
        await ann.join(chat)
        await bob.connect(other.url)
        await bob.join(chat)

        await says(ann, chat, "client-read", upto=7)
        await says(ann, chat, "client-read", upto=5)

        for each in (ann, bob):
            await until_read(each, {"ann": 7})
        await says(bob, chat, "client-read", upto=9)
        await bob.until(lambda: bob.errors() == [4303])
        await says(ann, chat, "client-read", upto="x")
        await ann.until(lambda: ann.errors() == [4304])
        assert all(each == {"ann": 7} for each in marks(bob))


async def until_read(visitor: Visitor, expected: dict[str, int]) -> None:
    await visitor.until(lambda: marks(visitor)[-1:] == [expected])


def marks(visitor: Visitor) -> list[dict[str, Any]]:
    """Return the marks that a visitor was told, in order."""
    told = [frame for frame in visitor.frames if frame["event"] == "fanfare:read"]
    return [frame["data"]["marks"] for frame in told]
