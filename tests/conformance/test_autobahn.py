"""
The cases of the Autobahn test suite, which judge how a server speaks WebSocket (RFC 6455).

They meet the gateway's layer in `tests.support.services.echo`.  kosoku drives them, in a process of its own because it puts
modules of its own before others'.  Left out are the sections about speed (9) and about compression (12 and 13), which
the gateway does not offer.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.deadline import DEADLINE
from tests.support.services.echo import echoing

KOSOKU = Path(sys.executable).with_name("kosoku")
PARALLEL = 4  # Cases; the longest only wait.
SECTIONS = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "10": 1}  # With cases.


class Verdict(NamedTuple):
    """How a server did with a case's messages, and with the end of its connection, in Autobahn's words."""

    messages: str
    end: str

    @property
    def is_good(self) -> bool:
        """Whether it did all that is asked for."""
        return {*self} <= {"OK", "INFORMATIONAL"}


# aiohttp hands over whole messages: bad UTF-8 is refused at the end of its message, and not at its first byte.
LATE = Verdict("NON-STRICT", "OK")
DEVIATIONS = {"6.4.1": LATE, "6.4.2": LATE, "6.4.3": LATE, "6.4.4": LATE}

Verdicts = Mapping[str, Verdict]


@pytest.fixture(scope="module")
async def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """Run all cases, and return the verdict on each."""
    reports = tmp_path_factory.mktemp("autobahn")
    async with echoing() as url:
        said = await _judge(url, reports)
    index = reports / "index.json"
    assert index.exists(), said
    (cases,) = json.loads(index.read_text()).values()
    return {name: Verdict(case["behavior"], case["behaviorClose"]) for name, case in cases.items()}


async def _judge(url: str, reports: Path) -> str:
    """Have a server judged; returns what kosoku said."""
    words = [word for section in SECTIONS for word in ("--include", f"{section}.*")]
    words += ["--parallelism", str(PARALLEL), "--outdir", str(reports), url]
    process = await asyncio.create_subprocess_exec(KOSOKU, *words, stdout=PIPE, stderr=STDOUT)
    try:
        async with asyncio.timeout(DEADLINE):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said.decode()


def _section(cases: Verdicts, number: str) -> Verdicts:
    return {name: verdict for name, verdict in cases.items() if name.split(".")[0] == number}


@pytest.mark.parametrize("number", SECTIONS)
class TestSections:
    """Each section of the suite."""

    def test_whole(self, verdicts: Verdicts, number: str) -> None:
        """
        All its cases are run.
        """
        assert len(_section(verdicts, number)) == SECTIONS[number]

    def test_passed(self, verdicts: Verdicts, number: str) -> None:
        """
        It finds nothing but the deviations that are listed here, and finds all of these.
        """
        section, listed = _section(verdicts, number), _section(DEVIATIONS, number)

        found = {name: verdict for name, verdict in section.items() if not verdict.is_good}

        assert found == listed, f"found {found}, listed {listed}"
