"""Read receipts on real Redis and PostgreSQL: no mark that was answered is lost, and all are told."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from libs.common.backends.adapters import Backends
from libs.common.bus.messages import Whisper
from libs.common.channels import Channel
from libs.common.lifecycle.facts import Fact
from tests.ensemble.presence.test_online import environ, gateway
from tests.support.clients.back_ends import BackEnd, back_end
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, Fleet
from tests.support.deployments.program import Program
from tests.support.servers.process import eventually

ROOM = Channel(APP.id, "private-chat.7")
PATH = f"/presence/apps/{APP.id}/channels/{ROOM.name}/read"
USERS = [f"user {number}" for number in range(8)]
ROUNDS = 30


class Readers:
    """
    Users who read on, and a back end that says so to whichever process answers.

    Attributes:
        answered: How far each was said to have read, and that was answered.
    """

    def __init__(self, backend: BackEnd, processes: tuple[Program, Program]) -> None:
        self._backend = backend
        self._processes = list(processes)
        self.answered: Counter[str] = Counter()

    async def read_on(self, user: str) -> None:
        """Read one message after the other."""
        for number in range(1, ROUNDS + 1):
            while not await self._said(user, number):
                await asyncio.sleep(0.01)
            self.answered[user] = number

    async def _said(self, user: str, number: int) -> bool:
        body = json.dumps({"user_id": user, "upto": number}).encode()
        process = self._processes[number % len(self._processes)]
        try:
            answer = await self._backend.post(process.url, PATH, body)
        except aiohttp.ClientError:
            return False
        return answer.status == 200 and answer.body["upto"] == number

    async def half_way(self) -> None:
        """Wait until half of all is answered."""
        while self.answered.total() < len(USERS) * ROUNDS / 2:
            await asyncio.sleep(0)

    def kill(self) -> None:
        """Let one process die, at once."""
        self._processes.pop().kill()


@asynccontextmanager
async def subscriber(backends: Backends) -> AsyncIterator[dict[str, Any]]:
    """Yield what a subscriber of the channel holds for the marks: of each user the highest told."""
    held: dict[str, Any] = {}

    async def hear() -> None:
        while True:
            for delivery in await listener.receive(1.0):
                if isinstance(delivery, Whisper):
                    frame = msgspec.json.decode(delivery.broadcast.frame)
                    assert (frame["event"], frame["channel"]) == ("fanfare:read", ROOM.name)
                    for user, upto in json.loads(frame["data"])["marks"].items():
                        held[user] = max(upto, held.get(user, 0))

    async with backends.bus.listen() as listener, asyncio.TaskGroup() as tasks:
        await listener.follow([ROOM])
        task = tasks.create_task(hear())
        yield held
        task.cancel()


async def marks(backend: BackEnd, process: Program) -> dict[str, Any]:
    """Return the marks of the channel, as a process answers."""
    answer = await backend.get(process.url, PATH)
    assert answer.status == 200, answer.body
    told: dict[str, Any] = answer.body["marks"]
    return told


@pytest.fixture
async def fleet(tmp_path: Path, redis_url: str, database_url: str) -> Fleet:
    fleet = Fleet(tmp_path, redis=redis_url, postgres=database_url)
    await fleet.found()
    return fleet


@asynccontextmanager
async def staged(fleet: Fleet) -> AsyncIterator[tuple[Backends, BackEnd, tuple[Program, Program]]]:
    """Run two presence processes, and yield a gateway's hands on the backends, and a back end."""
    async with (
        asyncio.timeout(DEADLINE),
        fleet.running("presence", **environ(fleet)) as one,
        fleet.running("presence", **environ(fleet)) as two,
        gateway(fleet) as backends,
        back_end(APP) as backend,
    ):
        yield backends, backend, (one, two)


async def test_killed(fleet: Fleet) -> None:
    """
    A presence process is killed while users read: what was answered stands, and subscribers learn of it.
    """
    async with (
        staged(fleet) as (backends, backend, (one, two)),
        subscriber(backends) as held,
    ):
        readers = Readers(backend, (one, two))
        async with asyncio.TaskGroup() as tasks:
            for user in USERS:
                tasks.create_task(readers.read_on(user))
            await readers.half_way()
            before = dict(readers.answered)
            readers.kill()
            stood = await marks(backend, one)

        assert all(stood[user] >= number for user, number in before.items())
        assert await marks(backend, one) == dict.fromkeys(USERS, ROUNDS)

        async def is_told() -> bool:
            return held == dict.fromkeys(USERS, ROUNDS)

        await eventually(is_told, timeout=DEADLINE)


async def test_said_by_clients(fleet: Fleet) -> None:
    """What gateways recorded of clients is stored and told, though the process that took it is killed."""
    async with (
        staged(fleet) as (backends, backend, (one, two)),
        subscriber(backends) as held,
    ):
        for number in range(1, ROUNDS + 1):
            said = [
                Fact(kind="client_read", app=APP.id, channel=ROOM.name, user=user, data=str(number))
                for user in USERS
            ]
            await backends.lifecycle.record(said)
            if number == ROUNDS // 2:
                two.kill()

        async def is_told() -> bool:
            return held == dict.fromkeys(USERS, ROUNDS)

        await eventually(is_told, timeout=DEADLINE)
        assert await marks(backend, one) == dict.fromkeys(USERS, ROUNDS)
