"""
``python -m bench [--check]``: measure Fanfare on this machine, in some minutes.

docs/benchmarks.md says how, and what the numbers mean.  The exit status is 1 where something is
beyond its bound and ``--check`` was given, 2 where it cannot be measured.
"""

import argparse
import asyncio
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from bench import (
    authorising,
    connecting,
    fanout,
    figures,
    joining,
    journey,
    marks,
    memory,
    sightings,
    typists,
    watching,
    webhooks,
)
from bench.deployment import Deployment
from bench.figures import Figure, Sample
from bench.scale import checking
from bench.websocket import Unexpected
from bench.workers import Failed
from bench.yardstick import NoCompiler, compiled
from libs.common.errors import Unavailable
from tests.support.servers import (
    MissingProgram,
    ServerDidNotStart,
    kafka_server,
    postgres_server,
    redis_server,
)
from tests.support.servers.packages import MissingJars

RUNS = 5
LIMIT = 900.0  # Seconds for all; on two idle CPUs it takes half of that.
FILES = fanout.SOCKETS + memory.SPARE_FILES  # That a process must be allowed to open.

CANNOT = (
    AssertionError,  # Of `tests.support.deployments.program`: Fanfare did not start, and why.
    Failed,
    MissingJars,
    MissingProgram,
    NoCompiler,
    OSError,  # Connections that break, and everything that takes too long.
    ServerDidNotStart,
    Unavailable,
    Unexpected,
)

Measure = Callable[[], Awaitable[Sample]]


def main() -> int:
    """Do what the command line says and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--check", action="store_true", help="fail where a bound is exceeded")
    arguments = parser.parse_args()
    found: list[str] = []
    failures: list[str] = []
    try:
        _raise_file_limit()
        found = asyncio.run(_bench())
    except* CANNOT as group:
        failures = list(dict.fromkeys(str(error) or "it took too long" for error in _leaves(group)))
    for failure in failures:
        print(f"bench: {failure}", file=sys.stderr)
    for complaint in found:
        print(f"beyond its bound: {complaint}", file=sys.stderr)
    if failures:
        return 2
    return 1 if found and arguments.check else 0


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _raise_file_limit() -> None:
    """Allow ourselves, and the processes that we start, as many files as the system lets us."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < FILES:
        raise Failed(f"a process may open {most} files here, and {FILES} are needed: ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _bench() -> list[str]:
    """Measure everything; return what is beyond its bound."""
    began = time.monotonic()
    print(
        f"{RUNS} runs each on {len(os.sched_getaffinity(0))} CPUs, "
        f"Python {platform.python_version()}, Linux {platform.release()}\n"
        f"{'':<70}{'median':>10}{'lowest':>10}{'highest':>10}   bound"
    )
    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="fanfare-bench-") as directory:
        async with asyncio.timeout(LIMIT), redis_server(durable=False) as redis:
            await compiled()
            deployment = Deployment(redis.url, Path(directory))
            found += await _part(figures.FANOUT, partial(fanout.measure, deployment))
            found += await _part(figures.WATCHING, partial(watching.measure, deployment))
            found += await _part(figures.MEMORY, partial(memory.measure, deployment))
            found += await _part(figures.CONNECTING, partial(connecting.measure, deployment))
            found += await _part(figures.JOINING, partial(joining.measure, deployment))
            found += await _part(figures.TYPING, partial(typists.measure, deployment))
            found += await _part(figures.WEBHOOKS, partial(webhooks.measure, deployment))
            scale = partial(checking.measure, redis, deployment)
            found += await _part(figures.SCALE, scale, runs=1)
            async with postgres_server() as postgres:
                await authorising.prepare(postgres.url)
                measure = partial(authorising.measure, deployment, postgres.url)
                found += await _part(figures.AUTHORISING, measure)
                keep = partial(sightings.measure, postgres.url)
                found += await _part(figures.SIGHTINGS, keep)
                read = partial(marks.measure, deployment, postgres.url)
                found += await _part(figures.MARKS, read)
            async with kafka_server() as kafka:
                measure = partial(journey.measure, deployment, kafka.url)
                found += await _part(figures.JOURNEY, measure)
    print(f"measured in {time.monotonic() - began:.0f} s")
    return found


async def _part(lines: Sequence[Figure], measure: Measure, runs: int = RUNS) -> list[str]:
    """Run one measurement so often and print its lines; return what is beyond its bound."""
    samples = [await measure() for _ in range(runs)]
    for figure in lines:
        print(figure.line(samples), flush=True)
    return list(figures.complaints(lines, samples))


if __name__ == "__main__":
    sys.exit(main())
