"""The audit log of a program as operators start it."""

import json
from pathlib import Path

import pytest

from tests.support.clients.back_ends import BackEnd
from tests.support.deployments.fleet import Fleet, said
from tests.support.ports.eventlogs import until


async def test_file(tmp_path: Path, backend: BackEnd) -> None:
    """
    Acts of security and broadcasts that a route has audited are in the file, and not in the log.
    """
    file = tmp_path / "audit.log"
    fleet = Audited(tmp_path)
    async with fleet.running(FANFARE_LOG_AUDIT=str(file)) as running:
        await backend.post(running.url, "/users/ann/terminate_connections", b"{}")
        await backend.post(running.url, "/apps/1/events", b"{}", auth_signature="0" * 64)
        await backend.emit(running.url, {"room": "1", "n": "hush"}, id="7")
        await until(lambda: file.exists() and file.read_text().count("\n") == 3)
        log = said(running)

    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["event"] for line in lines] == [
        "audit.terminated",
        "audit.denied",
        "audit.published",
    ]
    assert (lines[2]["id"], lines[2]["channel"], lines[2]["name"]) == ("7", "steps.1", "step")
    assert not [line for line in log if line["event"].startswith("audit.")]
    assert "hush" not in file.read_text()


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
