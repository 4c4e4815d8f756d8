"""The audit log of a program as operators start it."""

import json
import signal
from pathlib import Path

import pytest

from tests.support.clients.back_ends import BackEnd
from tests.support.clients.visitors import visitors
from tests.support.deployments.fleet import APP, Fleet, said
from tests.support.ports.eventlogs import until


async def test_file(tmp_path: Path, backend: BackEnd) -> None:
    """
    Acts of security and broadcasts that a route has audited are in the file, and not in the log; SIGHUP opens another.
    """
    file = tmp_path / "audit.log"
    fleet = Audited(tmp_path)
    async with (
        fleet.running(FANFARE_LOG_AUDIT=str(file)) as running,
        visitors(APP) as visitor,
    ):
        await backend.post(running.url, "/users/ann/terminate_connections", b"{}")
        await backend.post(running.url, "/apps/1/events", b"{}", auth_signature="0" * 64)
        ann = visitor()
        await ann.connect(running.url)
        await ann.join("steps.1")
        await backend.emit(running.url, {"room": "1", "n": "hush"}, id="7")
        await until(lambda: file.exists() and file.read_text().count("\n") == 4)
        log = said(running)
        moved = file.rename(tmp_path / "audit.log.1")
        running.send(signal.SIGHUP)
        await until(file.exists)
        await backend.post(running.url, "/users/ann/terminate_connections", b"{}")
        await until(lambda: file.read_text().count("\n") == 1)

    lines = [json.loads(line) for line in moved.read_text().splitlines()]
    assert [line["event"] for line in lines[:2]] == ["audit.terminated", "audit.denied"]
    published, delivered = sorted(lines[2:], key=lambda line: line["event"], reverse=True)
    assert (published["event"], delivered["event"]) == ("audit.published", "audit.delivered")
    assert (published["id"], published["channel"], published["name"]) == ("7", "steps.1", "step")
    told = ("id", "record", "app", "channel", "name", "bytes")
    assert [delivered[name] for name in told] == [published[name] for name in told]
    assert delivered["recipients"] == 1
    assert not [line for line in log if line["event"].startswith("audit.")]
    assert "hush" not in moved.read_text()


async def test_no_file(tmp_path: Path) -> None:
    """
    A file that cannot be written is named, and nothing starts.
    """
    with pytest.raises(AssertionError, match=r"it ended: .*log\.audit: .*/nowhere/a: No such file"):
        async with Fleet(tmp_path).running(FANFARE_LOG_AUDIT=str(tmp_path / "nowhere" / "a")):
            pass


class Audited(Fleet):
    """A fleet whose route has its broadcasts audited."""

    def write_settings(self) -> Path:
        """See `Fleet.write_settings`."""
        file = super().write_settings()
        text = file.read_text().replace('event = "step"', 'event = "step"\naudit = true')
        file.write_text(text)
        return file
