"""
How fast one auth process decides, over HTTP, for users with an HS256 token and a membership.

Memberships are in PostgreSQL.  First a storm, as after a gateway has ended, at a process that has
just begun and remembers nothing: all clients at once, each with a token and a connection of its
own, want several channels, all in one request.  Now all answers are remembered.  Then the rate: a
few connections, each with one request under way.  Then the storm again, twice: each client asks for
one channel after the other, and for all in one request.

Connections are open before, as a load balancer holds them; a client's time runs from the storm's
beginning, so that whoever waits in the queue is charged for it.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import Any

import jwt

from bench.deployment import Deployment
from bench.figures import Sample
from bench.requests import Line, opened, post
from bench.workers import cpu_seconds
from libs.common.config.address import Url
from libs.common.memberships.membership import Membership
from libs.common.memberships.postgres import PostgresMemberships
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.migrate import migrate
from libs.common.postgres.settings import PostgresSettings

DECISIONS = 6000
LINES = 16  # Connections that share them.
CLIENTS = 2000
CHANNELS = tuple(f"private-team.{number}" for number in range(5))
LIMIT = 60.0  # Seconds for a run.
AT_ONCE = 1000  # Memberships that are written together.
SECRET = "the-secret-of-the-bench-0123456789"  # noqa: S105 - of a process that ends with the bench
SOCKET = "1.1"

# All clients come from one address here: what auth allows one a second would be measured, and not
# auth.
_SECTIONS = f"""
[auth]
requests_per_address = 0

[[auth.issuers]]
issuer = "bench"
audience = "bench"
secret = "{SECRET}"

[[channels]]
pattern = "private-team.{{team}}"
member_of = "team:{{team}}"
"""


async def prepare(postgres: str) -> None:
    """Make the table, and make every client a member of all teams."""
    await migrate(Url(postgres))
    groups = [channel.replace("private-team.", "team:") for channel in CHANNELS]
    named = [Membership("1", str(user), group) for user in range(CLIENTS) for group in groups]
    async with PostgresConnection(Url(postgres), "memberships", PostgresSettings()) as connection:
        memberships = PostgresMemberships(connection)
        for start in range(0, len(named), AT_ONCE):
            await memberships.put(named[start : start + AT_ONCE])


async def measure(deployment: Deployment, postgres: str) -> Sample:
    """Measure the rate, and the storms, on a fresh process."""
    single = [_single(user) for user in range(CLIENTS)]
    batched = [[_batched(user)] for user in range(CLIENTS)]
    backends = f'memberships = "{postgres}"'
    async with (
        asyncio.timeout(LIMIT),
        deployment.running("auth", backends=backends, more=_SECTIONS) as auth,
        opened(auth.port, CLIENTS) as lines,
    ):
        cold = await _storm(lines, batched)
        rates = await _rates(lines[:LINES], auth.process.pid, [first for first, *_ in single])
        apart, together = await _storm(lines, single), await _storm(lines, batched)
        return {
            **rates,
            "auth_storm_cold_p99": cold,
            "auth_storm_p99": apart,
            "auth_storm_batched_p99": together,
            "auth_storm_ratio": together / apart,
        }


async def decide(deployment: Deployment, postgres: str) -> float:
    """Return the CPU seconds of a decision, on a fresh process, when it remembers memberships."""
    requests = [_single(user)[0] for user in range(CLIENTS)]
    backends = f'memberships = "{postgres}"'
    async with (
        asyncio.timeout(LIMIT),
        deployment.running("auth", backends=backends, more=_SECTIONS) as auth,
        opened(auth.port, LINES) as lines,
    ):
        await _share(lines, requests)
        return (await _rates(lines, auth.process.pid, requests))["auth_cpu"]


async def _rates(lines: Sequence[Line], pid: int, requests: Sequence[bytes]) -> Sample:
    """Let the clients ask in turn: auth takes a hundred requests a second of one user."""
    began, cpu = time.monotonic(), cpu_seconds(pid)
    await _share(lines, list(islice(cycle(requests), DECISIONS)))
    return {
        "auth_rate": DECISIONS / (time.monotonic() - began),
        "auth_cpu": (cpu_seconds(pid) - cpu) / DECISIONS,
    }


async def _share(lines: Sequence[Line], requests: Sequence[bytes]) -> None:
    """Send requests, on all connections together."""
    async with asyncio.TaskGroup() as tasks:
        for number, line in enumerate(lines):
            tasks.create_task(_ask(line, requests[number :: len(lines)]))


async def _storm(lines: Sequence[Line], requests: Sequence[Sequence[bytes]]) -> float:
    """Let each client send its requests; return how long all but 1 % of them took at most."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        storm = [
            tasks.create_task(_ask(line, own)) for line, own in zip(lines, requests, strict=True)
        ]
    ends = sorted(each.result() for each in storm)
    return ends[int(len(ends) * 0.99)] - began


async def _ask(line: Line, requests: Sequence[bytes]) -> float:
    """Send one request after the other, and return when the last was granted."""
    for request in requests:
        await line.granted(request)
    return time.monotonic()


def _single(user: int) -> list[bytes]:
    token = _token(user)
    return [_post(token, {"socket_id": SOCKET, "channel_name": name}) for name in CHANNELS]


def _batched(user: int) -> bytes:
    return _post(_token(user), {"socket_id": SOCKET, "channels": CHANNELS})


def _post(token: str, fields: Mapping[str, Any]) -> bytes:
    return post("/broadcasting/auth", f"Bearer {token}", fields)


def _token(user: int) -> str:
    claims = {"iss": "bench", "aud": "bench", "sub": str(user), "exp": 4_102_444_800}
    return jwt.encode(claims, SECRET, algorithm="HS256")
