"""Runs the producers, which are Java, and keeps what they wrote."""

import base64
import json
import subprocess
from pathlib import Path

import pytest

from libs.common.eventlog.records import Record
from tests.producers.written import Written
from tests.support.deadline import DEADLINE
from tests.support.programs import PRODUCERS, find_program
from tests.support.servers.packages import classpath

SOURCES = PRODUCERS.pom.parent


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Return every record that the producers write, by its name."""
    classes = tmp_path_factory.mktemp("classes")
    javac = find_program("javac").resolve()
    jars = classpath(PRODUCERS)
    _run(javac, "-encoding", "UTF-8", "-d", classes, "-cp", jars, *sorted(SOURCES.glob("*.java")))
    # A short life is not worth compiling for.
    quick = ("-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8")
    lines = _run(javac.parent / "java", *quick, "-cp", f"{classes}:{jars}", "Producers")
    records = [_record(line, offset) for offset, line in enumerate(lines.splitlines())]
    assert len(records) == len(dict(records)), "two records have one name"
    return dict(records)


def _run(*command: str | Path) -> str:
    done = subprocess.run(  # noqa: S603 - found by its name.
        [str(word) for word in command],
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=DEADLINE,
    )
    return done.stdout


def _record(line: str, offset: int) -> tuple[str, Record]:
    told = json.loads(line)
    headers = tuple((name, _bytes(value) or b"") for name, value in told["headers"])
    key, value = _bytes(told["key"]), _bytes(told["value"])
    return told["name"], Record(told["topic"], 0, offset, 1_700_000_000.5, key, value, headers)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
