"""Who types and who has read, on two gateways and two presence processes, whatever becomes of them."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.clients.back_ends import BackEnd, back_end
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deployments.fleet import APP, Fleet
from tests.support.deployments.program import Program
from tests.support.servers import fresh_database

ROOM, CHAT = "presence-room", "private-chat.7"
READ = f"/presence/apps/{APP.id}/channels/{CHAT}/read"


class Chats(Fleet):
    """A fleet in whose chats it is kept how far users have read."""

    def write_settings(self) -> Path:
        """See `Fleet.write_settings`."""
        file = super().write_settings()
        rule = f'[[receipts]]\napp = "{APP.id}"\npattern = "private-chat.{{id}}"\n'
        file.write_text(file.read_text() + rule)
        return file

    @property
    def environ(self) -> dict[str, str]:
        """See `Fleet.environ`; what is kept of users is in PostgreSQL, too."""
        return super().environ | {
            "FANFARE_BACKENDS_SIGHTINGS": self.postgres,
            "FANFARE_PRESENCE_SHARE_TTL": "1",
            "FANFARE_PRESENCE_TYPING_TTL": "4",
        }


@dataclass(frozen=True, slots=True)
class Stage:
    """
    Two gateways and two presence processes.

    Attributes:
        gateways: The first may be killed.
        presences: Likewise.
        backend: Asks and posts.
    """

    gateways: tuple[Program, Program]
    presences: tuple[Program, Program]
    backend: BackEnd


@pytest.fixture
async def stage(tmp_path: Path, redis_url: str, postgres_url: str) -> AsyncIterator[Stage]:
    async with fresh_database(postgres_url, f"t{secrets.token_hex(6)}") as database_url:
        fleet = Chats(tmp_path, redis=redis_url, postgres=database_url)
        await fleet.found()
        async with staged(fleet) as stage:
            yield stage


@asynccontextmanager
async def staged(fleet: Fleet) -> AsyncIterator[Stage]:
    async with (
        fleet.running("gateway") as first,
        fleet.running("gateway") as second,
        fleet.running("presence") as one,
        fleet.running("presence") as two,
        back_end(APP) as backend,
    ):
        yield Stage((first, second), (one, two), backend)


def lists(visitor: Visitor) -> list[list[str]]:
    """Return the lists of typists that a visitor was told, in order."""
    frames = [frame for frame in visitor.frames if frame["event"] == "fanfare:typing"]
    return [frame["data"]["user_ids"] for frame in frames]


def marks(visitor: Visitor) -> dict[str, int]:
    """Return how far users have read, as a visitor was told."""
    told: dict[str, int] = {}
    for frame in visitor.frames:
        if frame["event"] == "fanfare:read":
            told |= frame["data"]["marks"]
    return told


async def until_listed(visitor: Visitor, *users: str) -> None:
    """Wait until the last list that a visitor was told is this."""
    await visitor.until(lambda: lists(visitor)[-1:] == [list(users)])


async def say(visitor: Visitor, event: str, data: Any, *, channel: str = ROOM) -> None:
    """Send a client event."""
    await visitor.say(json.dumps({"event": event, "channel": channel, "data": data}).encode())


async def joined(visitor: Visitor, gateway: Program, user: str) -> Visitor:
    """Connect a visitor, and have it join the room."""
    await visitor.connect(gateway.url)
    await visitor.join(ROOM, user=user)
    return visitor


async def test_typing(stage: Stage) -> None:
    """
    One types on each gateway, one dies with its gateway, one stops, one sends: every list is right.
    """
    dying, living = stage.gateways
    async with visitors(APP) as visitor:
        ann = await joined(visitor(), dying, "ann")
        bob = await joined(visitor(), living, "bob")
        cat = await joined(visitor(), living, "cat")
        await say(ann, "client-typing", {})
        await say(bob, "client-typing", {"typing": True})
        for each in (ann, bob, cat):
            await until_listed(each, "ann", "bob")
        stage.presences[0].kill()
        for each in (ann, bob):
            await say(each, "client-typing", {})
        late = await joined(visitor(), living, "dan")
        assert lists(late)[:1] == [["ann", "bob"]]

        await say(ann, "client-typing", {})
        await say(bob, "client-typing", {"typing": False})
        for each in (ann, bob, cat, late):
            await until_listed(each, "ann")
        dying.kill()
        for each in (bob, cat, late):
            await until_listed(each)

        await say(bob, "client-typing", {})
        await until_listed(cat, "bob")
        await say(bob, "client-message", {"text": "hi"})
        await until_listed(cat)
        back = await joined(visitor(), living, "ann")
        assert lists(back)[:1] == [[]]
        await say(back, "client-typing", {})
        await until_listed(cat, "ann")
        await back.leave()
        await until_listed(cat)


async def test_marks(stage: Stage) -> None:
    """A presence process that is killed loses no mark that it answered; subscribers hear of the last."""
    dying, living = stage.presences
    async with visitors(APP) as visitor:
        reader = visitor()
        await reader.connect(stage.gateways[0].url)
        await reader.join(CHAT)
        answered = await _posted_until_death(stage.backend, dying)
        kept = await stage.backend.get(living.url, READ)

        assert answered > 0
        assert kept.body["marks"]["ann"] >= answered
        moved = await post(stage.backend, living, kept.body["marks"]["ann"] + 1)
        back = await post(stage.backend, living, 1)
        assert moved == back == kept.body["marks"]["ann"] + 1
        await reader.until(lambda: marks(reader).get("ann") == moved)


async def post(backend: BackEnd, presence: Program, upto: int) -> int:
    """Move a mark; return the one that stands."""
    body = json.dumps({"user_id": "ann", "upto": upto}).encode()
    answer = await backend.post(presence.url, READ, body)
    assert answer.status == 200, answer.body
    stands: int = answer.body["upto"]
    return stands


async def _posted_until_death(backend: BackEnd, presence: Program) -> int:
    """Move a mark on and on, and kill the process meanwhile; return the last mark that it answered."""
    answered = 0
    try:
        for upto in range(1, 1_000_000):
            answered = await post(backend, presence, upto)
            if upto == 50:
                asyncio.get_running_loop().call_soon(presence.kill)
    except aiohttp.ClientError:
        return answered
    raise AssertionError("it lives")
