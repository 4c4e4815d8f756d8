"""
How fast one presence process stores how far users have read.

Once as back ends post it, a request for each mark, on connections that are open; once as gateways
record it of clients, on Redis.  Each mark is of another user, whose mark before is stored already,
and moves it.  A run's time is that until the last is in PostgreSQL, which is the bench's own.
"""

import asyncio
import itertools
import time
from collections.abc import Iterator

from bench.deployment import APP, PREFIX, Deployment
from bench.figures import Sample
from bench.requests import Line, opened, post
from bench.workers import cpu_seconds
from libs.common.config.address import Url
from libs.common.lifecycle.facts import Fact
from libs.common.lifecycle.redis import RedisLifecycle
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.migrate import migrate
from libs.common.postgres.settings import PostgresSettings
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from tests.support.clients.back_ends import basic

MARKS = 8000
CHANNELS = 200
LINES = 64  # Connections of back ends, each with one request under way.
AT_ONCE = 500  # Facts that are recorded together.
LIMIT = 60.0  # Seconds for a run.

_RECEIPTS = """
[[receipts]]
pattern = "private-{any*}"
"""
_STORED = "SELECT count(*) FROM fanfare_marks WHERE number >= $1"
_AUTHORIZATION = basic(APP.key, APP.secrets[0].reveal())
_NUMBERS = itertools.count(1)  # How far users have read: further each time.


async def measure(deployment: Deployment, postgres: str) -> Sample:
    """Measure both ways, on a fresh process."""
    await migrate(Url(postgres))
    backends = f'sightings = "{postgres}"'
    async with (
        asyncio.timeout(LIMIT),
        deployment.running("presence", backends=backends, more=_RECEIPTS) as presence,
        PostgresConnection(Url(postgres), "sightings", PostgresSettings()) as connection,
        RedisConnection(Url(deployment.redis), "roster") as redis,
        opened(presence.port, LINES) as lines,
    ):
        lifecycle = RedisLifecycle(redis, Keys(PREFIX))
        await _said(lifecycle, connection)
        said_from, cpu_from = time.monotonic(), cpu_seconds(presence.process.pid)
        await _said(lifecycle, connection)
        posted_from, cpu_between = time.monotonic(), cpu_seconds(presence.process.pid)
        await _posted(lines)
        until, cpu_until = time.monotonic(), cpu_seconds(presence.process.pid)
    return {
        "marks_said": MARKS / (posted_from - said_from),
        "marks_said_cpu": (cpu_between - cpu_from) / MARKS,
        "marks_posted": MARKS / (until - posted_from),
        "marks_posted_cpu": (cpu_until - cpu_between) / MARKS,
    }


async def _said(lifecycle: RedisLifecycle, connection: PostgresConnection) -> None:
    """Record what clients say, and wait until all is stored."""
    number = next(_NUMBERS)
    facts = list(_facts(number))
    for start in range(0, MARKS, AT_ONCE):
        await lifecycle.record(facts[start : start + AT_ONCE])
    async with connection.acquired() as session:
        while await session.fetchval(_STORED, number) < MARKS:
            await session.execute("SELECT pg_sleep(0.01)")


def _facts(number: int) -> Iterator[Fact]:
    for channel, user in _readers():
        yield Fact(kind="client_read", app=APP.id, channel=channel, user=user, data=str(number))


async def _posted(lines: list[Line]) -> None:
    """Let back ends post, and wait until all is answered."""
    number = next(_NUMBERS)
    requests = [_request(*reader, number=number) for reader in _readers()]
    async with asyncio.TaskGroup() as tasks:
        for place, line in enumerate(lines):
            tasks.create_task(_ask(line, requests[place :: len(lines)]))


async def _ask(line: Line, requests: list[bytes]) -> None:
    for request in requests:
        await line.granted(request)


def _request(channel: str, user: str, *, number: int) -> bytes:
    path = f"/presence/apps/{APP.id}/channels/{channel}/read"
    return post(path, _AUTHORIZATION, {"user_id": user, "upto": number})


def _readers() -> Iterator[tuple[str, str]]:
    for number in range(MARKS):
        yield f"private-{number % CHANNELS}", str(number)
