"""Five hundred members of one channel: what each is told when a gateway is killed, and when presence stands still."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from tests.support.clients.crowds import Guest, crowd, join, until_there
from tests.support.deployments.fleet import APP, Fleet
from tests.support.deployments.program import Program

SIZE = 500
# So long that a gateway can be started, and clients return to it, before the dead one is cleared.
SLOWER = {"FANFARE_GATEWAY_LEASE_TTL": "3", "FANFARE_PRESENCE_LEASE_GRACE": "3"}


class Stage(NamedTuple):
    """A deployment whose processes the test may break."""

    fleet: Fleet
    gateways: Sequence[Program]
    presences: Sequence[Program]


@pytest.fixture
async def stage(tmp_path: Path, redis_url: str, database_url: str) -> AsyncIterator[Stage]:
    """Yield two gateways, and two presence processes beside them."""
    fleet = Fleet(tmp_path, redis=redis_url, postgres=database_url)
    await fleet.found()
    await _raise_limit(database_url)
    async with AsyncExitStack() as stack:

        async def start(name: str) -> Program:
            return await stack.enter_async_context(fleet.running(name, **SLOWER))

        one, two, *presences = await asyncio.gather(
            *map(start, ("gateway", "gateway", "presence", "presence"))
        )
        yield Stage(fleet, (one, two), presences)


async def _raise_limit(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "UPDATE fanfare_apps SET limits = jsonb_build_object('members', $1::int)", SIZE
        )
    finally:
        await connection.close()


def names(guests: Iterable[Guest]) -> set[str]:
    return {guest.name for guest in guests}


class TestCrowd:
    """A gateway is killed and another one started, and of two presence processes one stands still."""

    async def test_settles(self, stage: Stage) -> None:
        """
        All who are left know who is, each departure is told once, and who came back in time never left.
        """
        async with crowd(APP, "presence-hall") as room:
            guests = room.guests(f"u{number}" for number in range(SIZE))
            stayed, moving, going, stranded = (
                guests[:210],
                guests[210:230],
                guests[230:250],
                guests[250:],
            )
            one, two = stage.gateways
            await asyncio.gather(join(guests[:250], one.url), join(stranded, two.url))
            await until_there(guests, names(guests))
            told_before = {guest: len(guest.changes) for guest in guests}

            stage.presences[0].send(signal.SIGSTOP)
            two.kill()
            await asyncio.gather(*(guest.leave() for guest in moving + going))
            returned, lost = stranded[:150], stranded[150:]
            await join(moving + returned[:100], one.url)
            async with stage.fleet.running("gateway", **SLOWER) as three:
                await join(returned[100:], three.url)
                left = stayed + moving + returned
                await until_there(left, names(left))

                stage.presences[0].send(signal.SIGCONT)
                stage.presences[1].send(signal.SIGSTOP)
                await left[-1].leave()
                await until_there(left[:-1], names(left[:-1]))

        gone = Counter(f"-{name}" for name in names([*going, *lost, left[-1]]))
        for guest in stayed:
            assert Counter(guest.changes[told_before[guest] :]) == gone
        for guest in [*moving, *returned[:-1]]:
            assert Counter(guest.changes) <= gone
