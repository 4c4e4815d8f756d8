"""What nobody caught is in the log, whole, also when it ends the process; it is tried in one of its own."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.support.deadline import DEADLINE
from tests.support.deployments.program import ROOT

BEGIN = """
import logging, sys, threading, warnings
from libs.common.telemetry import logs
from libs.common.telemetry.settings import LogSettings

logs.configure(LogSettings())
logs.configure(LogSettings(format="json"))

class Leaving:
    def __del__(self):
        raise ValueError("at the end")
"""


def run(statement: str, *, redirection: str = "") -> tuple[int, list[dict[str, Any]]]:
    """Run a statement in a process whose logs are configured, twice; return its status and its lines."""
    done = subprocess.run(  # noqa: S603 - our own words.
        ["/bin/sh", "-c", f'exec "$0" -c "$1" {redirection}', sys.executable, BEGIN + statement],
        check=False,
        capture_output=True,
        cwd=ROOT,
        timeout=DEADLINE,
    )
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize(
    "statement, place, said",
    [
        ("1 / 0", "program", "ZeroDivisionError"),
        ("threading.Thread(target=lambda: 1 / 0, name='one').start()", "one", "ZeroDivisionError"),
        ("Leaving()", "finalizer of function", "ValueError: at the end"),
        ("logging.getLogger('careless').error('%d', 'two')", "careless", "TypeError"),
    ],
)
def test_exceptions(statement: str, place: str, said: str) -> None:
    """
    One line, with the traceback.
    """
    status, (line,) = run(statement)

    assert status == (1 if place == "program" else 0)
    assert (line["event"], line["level"]) == ("exception.uncaught", "error")
    assert line["place"] == place
    assert said in line["exception"]


def test_warnings() -> None:
    """
    So is what Python warns of.
    """
    _, (line,) = run("warnings.warn('beware')")

    assert line["level"] == "warning"
    assert "beware" in line["event"]


def test_closed() -> None:
    """
    Without a standard error nothing is written, and nothing else happens.
    """
    assert run("print(1, file=sys.stderr)", redirection="2>&-") == (0, [])
