"""Presence on real Redis and PostgreSQL: who is online, when the others were last seen, and what is kept of them."""

import json
import os
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from libs.common.backends.adapters import Backends, opened
from libs.common.channels import online_channel
from libs.common.roster.port import JoinRequest, Seat
from services.program import plan
from services.settings import load
from tests.support.clients.back_ends import BackEnd, back_end
from tests.support.deadline import DEADLINE
from tests.support.deployments.commands import Outcome, command
from tests.support.deployments.fleet import APP, Fleet
from tests.support.deployments.program import Program
from tests.support.servers import fresh_database
from tests.support.servers.process import eventually

PATH = f"/presence/apps/{APP.id}"
GATEWAY = "g1"
LONG = 3600.0


@dataclass(frozen=True, slots=True)
class Scene:
    """
    Two presence processes, a gateway's hands on the roster, and a back end.

    Attributes:
        fleet: The deployment.
        processes: Of presence.
        backends: As a gateway has them.
        backend: Asks.
        numbers: Of sockets.
    """

    fleet: Fleet
    processes: tuple[Program, Program]
    backends: Backends
    backend: BackEnd
    numbers: "count[int]" = field(default_factory=count)

    async def come(self, user: str, device: str = "phone") -> Seat:
        """Let a connection of a user come."""
        seat = Seat(online_channel(APP.id, user), f"1.{next(self.numbers)}", GATEWAY)
        info = json.dumps({"device": device, "activity": "active"})
        await self.backends.roster.join([JoinRequest(seat, device, info)])
        return seat

    async def go(self, *seats: Seat) -> None:
        """Let connections go, without grace."""
        await self.backends.roster.leave(seats, grace=0.0)

    async def told(self, user: str, *, by: int = 0) -> dict[str, Any]:
        """Return what a process tells of a user."""
        answer = await self.backend.get(self.processes[by].url, f"{PATH}/users/{quote(user)}")
        assert answer.status == 200, answer.body
        told: dict[str, Any] = answer.body
        return told

    async def seen(self, user: str, *, by: int = 0, since: str = "") -> dict[str, Any]:
        """Wait until it is kept that a user was seen (since then); return what is told of them."""

        async def is_kept() -> bool:
            last_seen = (await self.told(user, by=by))["last_seen"]
            return bool(last_seen) and last_seen >= since

        await eventually(is_kept, timeout=DEADLINE)
        return await self.told(user, by=by)

    async def users(self, *words: str) -> Outcome:
        """Run ``fanfare users``."""
        return await command(
            "users", *words, config=self.fleet.write_settings(), environ=environ(self.fleet)
        )


def environ(fleet: Fleet) -> dict[str, str]:
    """Return the variables of all processes of a fleet."""
    return fleet.environ | {
        "FANFARE_BACKENDS_SIGHTINGS": fleet.postgres,
        "FANFARE_PRESENCE_SHARE_TTL": "1",
    }


@asynccontextmanager
async def gateway(fleet: Fleet) -> AsyncIterator[Backends]:
    """Open the backends as a gateway does, and have a lease."""
    settings = load(path=fleet.write_settings(), environ=environ(fleet))
    async with opened(plan(settings)) as backends:
        await backends.leases.renew(GATEWAY, ttl=LONG)
        yield backends


@pytest.fixture(scope="module")
async def scene(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str, postgres_url: str
) -> AsyncIterator[Scene]:
    """Yield a scene that all tests share, each with users of its own."""
    directory = tmp_path_factory.mktemp("online")
    async with (
        fresh_database(postgres_url, f"t{secrets.token_hex(6)}") as database_url,
        staged(Fleet(directory, redis=redis_url, postgres=database_url)) as scene,
    ):
        yield scene


@asynccontextmanager
async def staged(fleet: Fleet) -> AsyncIterator[Scene]:
    """Run a scene."""
    await fleet.found()
    async with (
        fleet.running("presence", **environ(fleet)) as one,
        fleet.running("presence", **environ(fleet)) as two,
        gateway(fleet) as backends,
        back_end(APP) as backend,
    ):
        yield Scene(fleet, (one, two), backends, backend)


async def test_online(scene: Scene) -> None:
    """Whoever is asked knows who is online, and of the others when they were last seen."""
    phone, laptop = await scene.come("shop|7"), await scene.come("shop|7", "laptop")
    await scene.come("shop|8")
    query = {"prefix": "shop|", "limit": "1"}

    listed = [
        await scene.backend.get(process.url, f"{PATH}/online", **query)
        for process in scene.processes
    ]
    cursor = listed[0].body["cursor"]
    rest = await scene.backend.get(scene.processes[1].url, f"{PATH}/online", **query, cursor=cursor)
    online = await scene.told("shop|7")
    await scene.go(phone, laptop)
    offline = [await scene.seen("shop|7", by=by, since=online["last_seen"]) for by in range(2)]

    pages = [answer.body["users"] for answer in (*listed, rest)]
    assert pages == [["shop|7"], ["shop|7"], ["shop|8"]]
    assert (online["online"], online["connections"], len(online["devices"])) == (True, 2, 2)
    assert offline[0] == offline[1]
    assert not offline[0]["online"]
    assert online["online_since"] <= offline[0]["last_seen"]


async def test_kept_and_erased(scene: Scene) -> None:
    """An operator sees what is kept of a user, and erases it."""
    await scene.go(await scene.come("7"))
    await scene.seen("7")

    async def has_span() -> bool:
        return "was online" in (await scene.users("show", "1", "7")).output

    await eventually(has_span, timeout=DEADLINE)
    shown = await scene.users("show", "1", "7", "--json")
    erased, again = [await scene.users("erase", "1", "7") for _ in range(2)]
    gone = await scene.users("show", "1", "7")

    (span,) = json.loads(shown.output)["spans"]
    assert span["began_at"] <= span["ended_at"] == json.loads(shown.output)["last_seen"]
    assert "is forgotten" in erased.complaint
    assert "nothing was kept" in again.complaint
    assert (gone.status, gone.output) == (0, "")
    assert (await scene.told("7"))["last_seen"] is None


async def test_taken_over(scene: Scene) -> None:
    """What a process that stands still leaves undone the other does."""
    os.kill(scene.processes[0].process.pid, signal.SIGSTOP)
    try:
        users = [str(number) for number in range(200)]
        await scene.go(*[await scene.come(user) for user in users])

        for user in users:
            await scene.seen(user, by=1)
    finally:
        os.kill(scene.processes[0].process.pid, signal.SIGCONT)


async def test_roster_away(tmp_path: Path, database_url: str) -> None:
    """Without Redis nothing is told but since when that is so, and when to come again."""
    fleet = Fleet(tmp_path, redis="redis://127.0.0.1:1", postgres=database_url)
    await fleet.found()
    async with (
        fleet.running("presence", until="live", **environ(fleet)) as process,
        back_end(APP) as backend,
    ):
        answers = [await backend.get(process.url, f"{PATH}/online") for _ in range(2)]

    for answer in answers:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert answer.body["since"] == answers[0].body["since"]
