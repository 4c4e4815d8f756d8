"""
``python -m bench``: measure Fanfare on this machine, in some minutes.

    python -m bench [--check] [--base COMMIT] [--only PART,PART] [--runs NUMBER]

docs/benchmarks.md says how, and what the numbers mean.  With ``--base`` an earlier release is
measured beside what is here, and the ratio is printed.  The exit status is 1 where something is
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
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import fanout, figures, memory
from bench.parts import NAMES, PARTS, Part
from bench.place import Place, opened
from bench.websocket import Unexpected
from bench.workers import Failed
from bench.yardstick import NoCompiler, compiled
from libs.common.errors import Unavailable
from tests.support.servers import MissingProgram, ServerDidNotStart
from tests.support.servers.packages import MissingJars

RUNS = 5
LIMIT = 1200.0  # Seconds for all; on two idle CPUs it takes half of that.
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


def main() -> int:
    """Do what the command line says and return the exit status."""
    arguments = _arguments()
    found: list[str] = []
    failures: list[str] = []
    try:
        _raise_file_limit()
        found = asyncio.run(_bench(arguments.only, arguments.runs, arguments.base))
    except* CANNOT as group:
        failures = list(dict.fromkeys(str(error) or "it took too long" for error in _leaves(group)))
    for failure in failures:
        print(f"bench: {failure}", file=sys.stderr)
    for complaint in found:
        print(f"beyond its bound: {complaint}", file=sys.stderr)
    if failures:
        return 2
    return 1 if found and arguments.check else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--check", action="store_true", help="fail where a bound is exceeded")
    parser.add_argument("--base", metavar="COMMIT", help="measure an earlier release beside")
    parser.add_argument(
        "--only", type=_parts, default=PARTS, metavar="PART,...", help=f"of {', '.join(NAMES)}"
    )
    parser.add_argument("--runs", type=int, default=RUNS, help="of each part, at most")
    return parser.parse_args()


def _parts(text: str) -> list[Part]:
    wanted = text.split(",")
    if unknown := set(wanted) - {*NAMES}:
        raise argparse.ArgumentTypeError(f"no part is called {', '.join(sorted(unknown))}")
    return [part for part in PARTS if part.name in wanted]


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


async def _bench(parts: Sequence[Part], runs: int, base: str | None) -> list[str]:
    """Measure; return what is beyond its bound."""
    began = time.monotonic()
    print(
        f"up to {runs} runs each on {len(os.sched_getaffinity(0))} CPUs, "
        f"Python {platform.python_version()}, Linux {platform.release()}\n"
        f"{'':<{figures.WIDTH}}{'median':>10}{'lowest':>10}{'highest':>10}   bound"
    )
    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="fanfare-bench-") as directory:
        async with asyncio.timeout(LIMIT), opened(Path(directory), base) as place:
            await compiled()
            for part in parts:
                found += await _measured(part, min(runs, part.runs), place)
    print(f"measured in {time.monotonic() - began:.0f} s")
    return found


async def _measured(part: Part, runs: int, place: Place) -> list[str]:
    """Run one measurement so often and print its lines; return what is beyond its bound."""
    samples = [await part.measure(place) for _ in range(runs)]
    lines = part.lines(base=place.base is not None)
    for figure in lines:
        print(figure.line(samples), flush=True)
    return list(figures.complaints(lines, samples))


if __name__ == "__main__":
    sys.exit(main())
