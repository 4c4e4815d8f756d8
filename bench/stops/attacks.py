"""
How long others wait for a pong while somebody sends as much as can be sent, in wall-clock time.

One process with all services.  A client asks at a steady rate whether it is heard: while all is
quiet, while one connection floods, and while very many send at once.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.deployment import Deployment
from bench.figures import MILLISECONDS, Figure, Sample
from bench.workers import Worker, running, separate

SECONDS = 3
CONNECTIONS, SIZE = 200, 256 * 1024  # Of a burst; bytes of each.
MEDIAN, LONGEST = range(2)

LINES = (
    Figure(name="ping_quiet", title="ping, median", unit="ms", scale=MILLISECONDS),
    Figure(
        name="ping_flood",
        title="ping while one socket floods, median",
        unit="ms",
        scale=MILLISECONDS,
    ),
    Figure(
        name="ping_flood_longest", title="ping: the same, longest", unit="ms", scale=MILLISECONDS
    ),
    Figure(
        name="ping_burst_longest",
        title="ping while 200 sockets send 256 KiB of { each, longest",
        unit="ms",
        scale=MILLISECONDS,
    ),
)


async def measure(deployment: Deployment) -> Sample:
    """Measure all three in one process."""
    async with (
        deployment.on_memory.running() as program,
        _worker("pinger", program.port) as pinger,
        _worker("attackers", program.port) as attackers,
    ):
        separate(program.process.pid, [pinger.pid, attackers.pid])
        quiet = await _pings(pinger)
        attackers.tell(f"flood {SECONDS}")
        flood = await _pings(pinger)
        await attackers.answer()
        attackers.tell(f"burst {CONNECTIONS} {SIZE}")
        burst = await _pings(pinger)
        await attackers.answer()
    return {
        "ping_quiet": quiet[MEDIAN],
        "ping_flood": flood[MEDIAN],
        "ping_flood_longest": flood[LONGEST],
        "ping_burst_longest": burst[LONGEST],
    }


async def _pings(pinger: Worker) -> list[float]:
    """Return the median and the longest wait, in seconds."""
    _, *waits = (await pinger.ask(f"ping {SECONDS}")).split()
    return [int(each) / 1e6 for each in waits]


@asynccontextmanager
async def _worker(name: str, port: int) -> AsyncIterator[Worker]:
    async with running(sys.executable, "-m", f"bench.load.{name}", str(port)) as process:
        yield Worker(f"the process of the {name}", process)
