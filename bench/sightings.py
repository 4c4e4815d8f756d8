"""
How fast presence stores when users were last seen: all of many users go at once.

Facts come in pages, of many streams at a time, as the consumer brings them; PostgreSQL is the
bench's own.  Each run has users of its own, who came before it.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator

from bench.figures import Sample
from libs.common.config.address import Url
from libs.common.lifecycle.facts import Fact, Kind, Recorded, Stream
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.migrate import migrate
from libs.common.postgres.settings import PostgresSettings
from libs.common.redis.keys import PARTITIONS
from libs.common.sightings.postgres import PostgresSightings
from services.presence.lifecycle.passage import BATCH
from services.presence.users.last_seen import LastSeen
from services.presence.users.pending import PendingSightings

USERS = 20_000
LIMIT = 60.0  # Seconds for a run.

_RUNS = itertools.count()


async def measure(postgres: str) -> Sample:
    """Let users come, and measure while they go."""
    await migrate(Url(postgres))
    run = next(_RUNS)
    async with (
        asyncio.timeout(LIMIT),
        PostgresConnection(Url(postgres), "sightings", PostgresSettings()) as connection,
    ):
        sink = LastSeen(PostgresSightings(connection), PendingSightings(keeps_spans=True))
        await _bring(sink, "user_online", run=run)
        began = time.perf_counter()
        await _bring(sink, "user_offline", run=run)
        seconds = time.perf_counter() - began
    return {"last_seen": USERS / seconds}


async def _bring(sink: LastSeen, kind: Kind, *, run: int) -> None:
    """Bring a fact about each user, those of all streams at a time."""
    async with asyncio.TaskGroup() as tasks:
        for partition in range(PARTITIONS):
            tasks.create_task(_bring_stream(sink, kind, partition=partition, run=run))


async def _bring_stream(sink: LastSeen, kind: Kind, *, partition: int, run: int) -> None:
    facts = list(_facts(kind, partition=partition, run=run))
    for start in range(0, len(facts), BATCH):
        await sink.take(facts[start : start + BATCH])


def _facts(kind: Kind, *, partition: int, run: int) -> Iterator[Recorded]:
    stream, at = Stream("1", partition), time.time()
    for number in range(partition, USERS, PARTITIONS):
        yield Recorded(stream, number, "e", Fact(kind=kind, app="1", user=f"{run}.{number}", at=at))
