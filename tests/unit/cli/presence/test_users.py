"""What `fanfare users` takes, and how it shows what is kept of a user."""

import argparse
from pathlib import Path

import pytest

from libs.common.channels import Channel
from libs.common.marks.mark import Mark
from libs.common.marks.port import Reading
from libs.common.sightings.port import Trail
from libs.common.sightings.summary import Span
from services.cli import main
from services.cli.presence import users
from services.cli.presence.users import lines, told
from tests.unit.test_settings import APP

T = 1_764_000_000.0
TRAIL = Trail(T + 60, T + 60, (Span(T, T + 30.25),))
READ = [Reading(Channel("1", "private-chat.7"), "7", Mark(2**53))]


class TestShown:
    """For people, and for programs."""

    def test_lines(self) -> None:
        assert lines(TRAIL, READ) == [
            "last seen     2025-11-24T16:01:00.000Z",
            "online since  2025-11-24T16:01:00.000Z",
            "was online    2025-11-24T16:00:00.000Z to 2025-11-24T16:00:30.250Z",
            "has read      private-chat.7 up to 9007199254740992",
        ]

    def test_gone(self) -> None:
        assert lines(Trail(T)) == ["last seen     2025-11-24T16:00:00.000Z"]

    def test_told(self) -> None:
        assert told(TRAIL, READ) == {
            "last_seen": "2025-11-24T16:01:00.000Z",
            "online_since": "2025-11-24T16:01:00.000Z",
            "spans": [
                {
                    "began_at": "2025-11-24T16:00:00.000Z",
                    "ended_at": "2025-11-24T16:00:30.250Z",
                }
            ],
            "marks": {"private-chat.7": "9007199254740992"},
        }

    def test_nothing(self) -> None:
        """Who is not known looks like one of whom nothing is kept."""
        assert told(None) == {"last_seen": None, "online_since": None, "spans": [], "marks": {}}
        assert lines(None) == []


class TestArguments:
    """What it takes."""

    @pytest.mark.parametrize(
        "argv", [["--config", "a.toml", "show", "1", "7"], ["show", "1", "7", "--config", "a.toml"]]
    )
    def test_config(self, argv: list[str]) -> None:
        """The file may be named before the action and after it."""
        parser = argparse.ArgumentParser()
        parser.add_argument("--config", type=Path)
        users.configure(parser)

        parsed = parser.parse_args(argv)

        assert (parsed.config, parsed.app, parsed.user) == (Path("a.toml"), "1", "7")

    def test_memory(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Where nothing is in PostgreSQL there is nothing to show, and it is said why."""
        file = tmp_path / "fanfare.toml"
        file.write_text(APP)

        assert main(["users", "show", "1", "7", "--config", str(file)]) == 2
        assert "set backends.sightings" in capsys.readouterr().err

    @pytest.mark.parametrize("words", [("1", ""), ("1", "x" * 129), ("1", "\udcff"), ("", "7")])
    def test_no_id(
        self, words: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "fanfare.toml"
        file.write_text(APP + '[backends]\nsightings = "postgresql://127.0.0.1:1/x"\n')

        assert main(["users", "erase", *words, "--config", str(file)]) == 2
        assert "printable" in capsys.readouterr().err
