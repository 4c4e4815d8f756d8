"""What only PostgreSQL can do to sightings: be away, be shared, and count what it is asked."""

import asyncio

import pytest

from libs.common.errors import Unavailable
from libs.common.sightings.postgres import LOCK, PostgresSightings
from libs.common.sightings.summary import Sighting, summarised
from tests.support.ports.apps import operated
from tests.support.ports.sightings import connected, opened_sightings
from tests.support.servers.ports import free_port

SEEN = list(summarised([Sighting("1", "7", 1.0, is_online=True)]).values())


async def test_away() -> None:
    async with connected(f"postgresql://u:secret@127.0.0.1:{free_port()}/db") as connection:
        sightings = PostgresSightings(connection)

        for question in (
            sightings.check(),
            sightings.note(SEEN),
            sightings.last_seen("1", ["7"]),
            sightings.trail("1", "7", limit=1),
            sightings.erase("1", "7"),
            sightings.forget(seen_before=1, spans_before=1, limit=1),
        ):
            with pytest.raises(Unavailable) as raised:
                await question
            assert raised.value.backend == "sightings"


async def test_one_forgets(database_url: str) -> None:
    """While a process forgets, another has nothing to do."""
    async with opened_sightings(database_url) as (one, _), operated(database_url) as other:
        await one.note(SEEN)
        async with other.transaction():
            await other.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
            meanwhile = await one.forget(seen_before=9.0, spans_before=9.0, limit=10)
        afterwards = await one.forget(seen_before=9.0, spans_before=9.0, limit=10)

        assert (meanwhile, afterwards) == (0, 1)


async def test_two_write(database_url: str) -> None:
    """Two who note the same users in different orders do not wait for each other for ever."""
    users = [Sighting("1", str(number), 1.0, is_online=True) for number in range(500)]
    ways = [list(summarised(order).values()) for order in (users, users[::-1])]
    async with opened_sightings(database_url) as both:
        for _ in range(5):
            async with asyncio.TaskGroup() as tasks:
                for sightings, way in zip(both, ways, strict=True):
                    tasks.create_task(sightings.note(way))

        assert len(await both[0].last_seen("1", [user.user for user in users])) == 500
