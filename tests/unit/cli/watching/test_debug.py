"""What `fanfare debug` makes of its words."""

import argparse
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from libs.common.board.port import BoardEntry
from libs.common.board.process_state import ProcessState, written
from libs.common.control.memory import MemoryControl
from libs.common.debugging.orders import LONGEST, Watched, frames_order, level_order, off_order
from libs.common.errors import Misconfigured
from services.cli.arguments import Parser
from services.cli.client import DatabaseAway
from services.cli.watching import debug
from services.cli.watching.debug import check_names, in_force, lines, orders_of, plain
from services.cli.watching.deployment import deployment
from services.settings import load
from tests.unit.test_settings import APP
from tests.unit.test_settings import read as app_settings

REDIS = {"FANFARE_BACKENDS_CONTROL": "redis://h"}


def read(*words: str) -> argparse.Namespace:
    parser = Parser()
    debug.configure(parser)
    return parser.parse_args(words)


def ordered(*words: str) -> list[Any]:
    settings = load(path=None, environ=REDIS, needs_apps=False)
    return orders_of(read(*words), settings, now=100.0)


class TestOrders:
    """Words become orders."""

    def test_level(self) -> None:
        assert ordered("--level", "debug", "--process", "gw1", "--process", "auth") == [
            level_order("debug", ["gw1", "auth"], now=100, seconds=600)
        ]

    def test_both(self) -> None:
        assert ordered(
            "--level", "debug", "--frames", "--app", "1", "--channel", "private-x", "--for", "60"
        ) == [
            level_order("debug", [], now=100, seconds=60),
            frames_order(Watched("1", "private-x"), [], now=100, seconds=60),
        ]

    def test_off(self) -> None:
        assert ordered("--off") == [off_order(now=100)]

    def test_status(self) -> None:
        assert ordered("--status") == []

    @pytest.mark.parametrize(
        "words,said",
        [
            ([], "name --level or --frames or both; or --status; or --off"),
            (["--off", "--level", "debug"], "name --level"),
            (["--status", "--off"], "name --level"),
            (["--level", "debug", "--app", "1"], "--app and --channel say whose --frames"),
            (["--frames"], "--app: name the app"),
            (["--frames", "--app", "1", "--channel", "#x"], "--channel: invalid channel name"),
            (["--off", "--process", "gw1"], "--process and --json"),
            (["--level", "debug", "--json"], "--process and --json"),
            (["--level", "debug", "--for", str(LONGEST + 1)], "at most 86400 seconds"),
        ],
    )
    def test_refused(self, words: list[str], said: str) -> None:
        with pytest.raises(Misconfigured, match=said):
            ordered(*words)


class TestApps:
    """An app that nobody has is a mistake, where that can be known."""

    def test_of_the_file(self, tmp_path: Path) -> None:
        settings = app_settings(tmp_path / "f.toml", APP, BACKENDS_CONTROL="redis://h")

        with pytest.raises(Misconfigured, match="there is no app '99'; --app must be one of 1"):
            orders_of(read("--frames", "--app", "99"), settings, now=100.0)

    def test_none_known(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Where the settings have no apps it is said that nobody looked."""
        assert len(ordered("--frames", "--app", "99")) == 1
        assert "whether there is an app '99' was not seen" in capsys.readouterr().err

    def test_database_away(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Frames are wanted in an outage, too."""
        environ = REDIS | {"FANFARE_BACKENDS_APPS": "postgresql://127.0.0.1:1/x"}
        settings = load(path=None, environ=environ, needs_apps=False)

        assert len(orders_of(read("--frames", "--app", "1"), settings, now=100.0)) == 1
        assert "whether there is an app '1' was not seen" in capsys.readouterr().err
        with pytest.raises(DatabaseAway):
            orders_of(read("--frames"), settings, now=100.0)


class TestNames:
    """A name that no process has is a mistake."""

    TOLD = written(ProcessState(node="gw1:8080", services={"gateway": {}}))
    FOUND = deployment([BoardEntry(process="f00d", text=TOLD, age=1.0, is_silent=False)], now=100.0)

    @pytest.mark.parametrize("name", ["gw1:8080", "gw1", "gateway", "f00d"])
    def test_known(self, name: str) -> None:
        check_names([name], self.FOUND)

    def test_unknown(self) -> None:
        with pytest.raises(
            Misconfigured, match="no process is called 'gw1:8081'; did you mean gw1:8080"
        ):
            check_names(["gw1:8081"], self.FOUND)


async def test_in_force() -> None:
    """
    Those are read that hold, and no other commands.
    """
    control, now = MemoryControl(), time.time()
    order = level_order("debug", [], now=now, seconds=60)
    await control.send(level_order("error", [], now=now, seconds=60))
    await control.send(off_order(now=now))
    await control.send(order)

    assert await in_force(control) == [order]


class TestStatus:
    """What is ordered says who ordered it, from which machine."""

    ORDER = replace(level_order("debug", ["gw1"], now=0, seconds=60), by="ops-1")
    FORMER = frames_order(Watched("1", ""), [], now=0, seconds=60)  # It does not say by whom.

    def test_lines(self) -> None:
        titles, order, former = lines([self.ORDER, self.FORMER])

        assert titles.split() == ["SHOWS", "PROCESSES", "SINCE", "UNTIL", "BY"]
        assert order.split()[-1] == "ops-1"
        assert former.split()[-1] == "-"

    def test_json(self) -> None:
        assert plain(self.ORDER) == {
            "level": "debug",
            "processes": ["gw1"],
            "since": "1970-01-01T00:00:00.000Z",
            "until": "1970-01-01T00:01:00.000Z",
            "by": "ops-1",
        }
        assert plain(self.FORMER)["by"] is None
