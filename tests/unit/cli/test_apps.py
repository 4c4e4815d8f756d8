"""What `fanfare apps` takes, and how its list looks."""

import argparse
import re
from pathlib import Path

import pytest

from libs.common.apps.admin import Line
from libs.common.errors import Misconfigured
from services.cli import apps
from services.cli.apps import table
from tests.unit.test_settings import POSTGRES, read


class TestTable:
    """The list for people."""

    def test_columns(self) -> None:
        """Columns stand below each other, and no line ends with blanks."""
        lines = [
            Line("1", "app-key", "Läden", enabled=True, secrets=1),
            Line("10", "k", "", enabled=False, secrets=2),
        ]

        assert table(lines) == [
            "ID  KEY      ENABLED  SECRETS  NAME",
            "1   app-key  yes      1        Läden",
            "10  k        no       2",
        ]

    def test_fault(self) -> None:
        """What is wrong with a row stands at the end of its line."""
        lines = [
            Line("1", "k", "", enabled=True, secrets=1),
            Line("2", "l", "Shop", enabled=True, secrets=1, fault="limits: what is wrong"),
        ]

        assert table(lines) == [
            "ID  KEY  ENABLED  SECRETS  NAME  FAULT",
            "1   k    yes      1",
            "2   l    yes      1        Shop  limits: what is wrong",
        ]


class TestArguments:
    """Where the settings may be named."""

    @pytest.mark.parametrize(
        "argv", [["--config", "a.toml", "list"], ["list", "--config", "a.toml"]]
    )
    def test_config(self, argv: list[str]) -> None:
        """The file may be named before the action and after it."""
        parser = argparse.ArgumentParser()
        parser.add_argument("--config", type=Path)
        apps.configure(parser)

        assert parser.parse_args(argv).config == Path("a.toml")
        assert parser.parse_args(["list"]).config is None


class TestOrigins:
    """Whose pages may use an app."""

    @pytest.mark.parametrize("origin", ["*", "null"])
    def test_cookie(self, tmp_path: Path, origin: str) -> None:
        """Anybody's are refused where a cookie tells who is calling, before anything is changed."""
        settings = read(tmp_path / "fanfare.toml", POSTGRES, '[auth]\ncookie = "session"')
        parser = argparse.ArgumentParser()
        apps.configure(parser)
        arguments = parser.parse_args(["set", "1", "--origin", "https://a.org", origin])

        with pytest.raises(Misconfigured, match=rf"^--origin {re.escape(origin)} cannot go with"):
            apps.execute(arguments, settings)
