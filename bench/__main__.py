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
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import descriptors, fanout, figures
from bench.faults import CANNOT, told
from bench.parts import NAMES, PARTS, Part
from bench.place import Place, opened
from bench.yardstick import compiled

RUNS = 5
LIMIT = 1200.0  # Seconds for all; on two idle CPUs it takes half of that.
FILES = fanout.SOCKETS + descriptors.SPARE  # That a process must be allowed to open.


def main() -> int:
    """Do what the command line says and return the exit status."""
    arguments = _arguments()
    found: list[str] = []
    failures: list[str] = []
    try:
        descriptors.allow_all(FILES)
        found = asyncio.run(_bench(arguments.only, arguments.runs, arguments.base))
    except* CANNOT as group:
        failures = told(group)
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
