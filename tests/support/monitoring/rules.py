"""The rules of deploy/prometheus, and the tests of them that promtool runs."""

import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.documents.metrics import families
from tests.support.documents.tree import ROOT
from tests.support.monitoring.promql import Series, recorded, shown
from tests.support.programs import find_program

PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTS = PROMETHEUS / "alerts.yml"
RECORDING = PROMETHEUS / "recording.yml"
TESTS = ROOT / "tests" / "unit" / "deploy" / "alerts"

TIMEOUT = 60.0  # Seconds for one call of promtool, which takes two.

Rule = Mapping[str, Any]


def rules(path: Path) -> list[Rule]:
    """Read the rules of a file."""
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def cases() -> list[Rule]:
    """Read all tests of the rules."""
    files = [
        yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(TESTS.glob("*.yml"))
    ]
    return [test for file in files for test in file["tests"]]


@cache
def declared() -> Mapping[str, Series]:
    """Return the series that processes show, by the name of the metric; all of the source is read, once."""
    return dict(shown({each.name: each for few in families().values() for each in few}))


@cache
def known() -> Mapping[str, Series]:
    """Return all series that rules may read: those that processes show, and those that rules record."""
    recordings = {rule["record"]: recorded(rule["record"]) for rule in rules(RECORDING)}
    return {**declared(), **recordings}


def promtool(*arguments: str | Path) -> tuple[int, str]:
    """Run promtool, and return its exit status and what it printed."""
    done = subprocess.run(  # noqa: S603 - our own.
        [find_program("promtool"), *arguments],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
    )
    return done.returncode, done.stdout
