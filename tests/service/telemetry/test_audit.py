"""The audit log: where it goes, whatever the log does."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from libs.common.errors import Misconfigured
from libs.common.telemetry import logs, pacer, pacing
from libs.common.telemetry.audit import audit_log
from libs.common.telemetry.settings import LogSettings
from tests.support.fakes.logs import Logs, events
from tests.support.ports.eventlogs import until

Configure = Callable[[LogSettings], io.StringIO]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """Configure the logs as the program does, return what standard error gets, and put all back."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level

    def configured(settings: LogSettings) -> io.StringIO:
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        logs.configure(settings)
        return stream

    yield configured
    audit_log.open(None)
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


def lines(text: str) -> Logs:
    return [json.loads(line) for line in text.splitlines()]


def test_off(configure: Configure) -> None:
    """
    Nobody asked for it: nothing is gathered or written.
    """
    stderr = configure(LogSettings(format="json"))
    audit_log.info("audit.revoked", app="1")

    assert not audit_log.is_on
    assert stderr.getvalue() == ""


def test_among_others(configure: Configure) -> None:
    """
    Its lines can be told apart, and the level of the log leaves none out.
    """
    stderr = configure(LogSettings(format="json", level="error", audit="log"))
    structlog.get_logger().info("left.out")
    audit_log.info("audit.revoked", app="1")

    (line,) = lines(stderr.getvalue())
    assert line.pop("timestamp")
    assert line == {"event": "audit.revoked", "app": "1", "log": "audit", "level": "info"}


async def test_file(configure: Configure, tmp_path: Path) -> None:
    """
    A file of its own gets JSON, after what is there, and the log nothing of it.
    """
    file = tmp_path / "audit.log"
    file.write_text("{}\n")
    stderr = configure(LogSettings(format="console", audit=str(file)))
    audit_log.info("audit.revoked", app="1")
    structlog.get_logger().info("elsewhere")

    await until(lambda: file.read_text().count("\n") == 2)
    assert lines(file.read_text())[1]["event"] == "audit.revoked"
    assert "audit" not in stderr.getvalue()
    assert "elsewhere" in stderr.getvalue()


def test_no_file(configure: Configure, tmp_path: Path) -> None:
    """
    A file that cannot be written is named at the start.
    """
    with pytest.raises(Misconfigured, match=r"log\.audit: .*/nowhere/audit: No such file"):
        configure(LogSettings(audit=str(tmp_path / "nowhere" / "audit")))


def test_paced(configure: Configure) -> None:
    """
    What strangers cause is one line of each kind; what is ours is all there.
    """
    stderr = configure(LogSettings(format="json", audit="log"))
    for _ in range(200):
        audit_log.info("audit.denied", kind="BadSignature", pace_by="BadSignature")
        audit_log.info("audit.published", app="1")
    audit_log.info("audit.denied", kind="BadOrigin", pace_by="BadOrigin")

    said = lines(stderr.getvalue())
    assert [line["kind"] for line in events(said, "audit.denied")] == ["BadSignature", "BadOrigin"]
    assert len(events(said, "audit.published")) == 200


async def test_held_back(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    How many lines were held back is said whatever the level, by the log and by the audit log.
    """
    for module in (pacer, pacing):
        monkeypatch.setattr(module, "QUIET", 0.02)
    monkeypatch.setattr(pacing, "RATE_BY", 50.0)
    stderr = configure(LogSettings(format="json", level="error", audit="log"))
    for _ in range(200):
        structlog.get_logger().error("record.failed")
        audit_log.info("audit.denied", pace_by="BadOrigin")

    await until(lambda: stderr.getvalue().count("log.held_back") == 2)
    told = events(lines(stderr.getvalue()), "log.held_back")
    assert {(line["name"], line.get("log")) for line in told} == {
        ("record.failed", None),
        ("audit.denied", "audit"),
    }


async def test_rotated(configure: Configure, tmp_path: Path) -> None:
    """
    A file that was moved away is made anew when it is opened again, and no line is lost between.
    """
    file, moved = tmp_path / "audit.log", tmp_path / "audit.log.1"
    configure(LogSettings(format="json", audit=str(file)))
    audit_log.info("audit.revoked", app="1")
    await until(lambda: file.read_text().count("\n") == 1)
    file.rename(moved)
    audit_log.info("audit.revoked", app="2")
    logs.reopen()
    audit_log.info("audit.revoked", app="3")

    await until(lambda: (moved.read_text() + file.read_text()).count("\n") == 3)
    assert lines(moved.read_text())[0]["app"] == "1"
    assert [each["app"] for each in lines(moved.read_text() + file.read_text())] == ["1", "2", "3"]
    assert lines(file.read_text())[-1]["app"] == "3"


async def test_not_reopened(configure: Configure, tmp_path: Path) -> None:
    """
    Where no file can be made it is said, and the former one goes on.
    """
    (tmp_path / "there").mkdir()
    file = tmp_path / "there" / "audit.log"
    stderr = configure(LogSettings(format="json", audit=str(file)))
    (tmp_path / "there").rename(tmp_path / "elsewhere")
    logs.reopen()
    audit_log.info("audit.revoked", app="1")

    await until(lambda: "revoked" in (tmp_path / "elsewhere" / "audit.log").read_text())
    (said,) = events(lines(stderr.getvalue()), "log.not_reopened")
    assert (said["file"], said["reason"]) == (str(file), "No such file or directory")
