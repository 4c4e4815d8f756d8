"""What `fanfare apps` reads from its words, and how its list looks."""

import argparse
from pathlib import Path

import pytest

from libs.common.errors import Misconfigured
from libs.common.limits import Limits
from libs.common.register_postgres import Line
from services.cli import apps
from services.cli.apps import limits_of, table


class TestLimits:
    """``--limit NAME=NUMBER``."""

    def test_none(self) -> None:
        """Without a word all have their defaults."""
        assert limits_of([]) == Limits()

    def test_several(self) -> None:
        """Whole numbers, fractions where rates may be such, and no limit."""
        texts = ["connections=1000", "client_events=0.5", "members=-1", "batch=0"]

        assert limits_of(texts) == Limits(connections=1000, client_events=0.5, members=-1, batch=0)

    @pytest.mark.parametrize(
        "text,said",
        [
            (
                "connections",
                "--limit 'connections': expected NAME=NUMBER, such as connections=1000",
            ),
            ("conections=5", "--limit 'conections' is unknown; did you mean connections?"),
            ("x=5", "--limit 'x' is unknown"),
            (
                "connections=many",
                '--limit connections: expected a whole number of at least -1, found "many"',
            ),
            ("connections=1.5", 'a whole number of at least -1, found "1.5"'),
            ("connections=", 'a whole number of at least -1, found ""'),
            ("batch=-2", 'a whole number of at least -1, found "-2"'),
            ("channel_name=201", 'a whole number from -1 to 200, found "201"'),
            ("reads=nan", 'a number of at least -1, found "nan"'),
            ("reads=inf", 'a number of at least -1, found "inf"'),
        ],
    )
    def test_refused(self, text: str, said: str) -> None:
        """What cannot be a limit is told, with what was expected."""
        with pytest.raises(Misconfigured) as raised:
            limits_of([text])

        assert said in str(raised.value)


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


class TestWords:
    """Where the settings may be named."""

    @pytest.mark.parametrize(
        "words", [["--config", "a.toml", "list"], ["list", "--config", "a.toml"]]
    )
    def test_config(self, words: list[str]) -> None:
        """The file may be named before the action and after it."""
        parser = argparse.ArgumentParser()
        parser.add_argument("--config", type=Path)
        apps.configure(parser)

        assert parser.parse_args(words).config == Path("a.toml")
        assert parser.parse_args(["list"]).config is None
