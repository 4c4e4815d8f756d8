"""docs/scale.md shows what the model makes of what was measured."""

import re

from bench.scale.constants import read
from libs.common.config.environment import listing
from services.settings import Settings
from tests.support.documents.scale import PAGE, TABLES, made

TEXT = PAGE.read_text(encoding="utf-8")
NAMES = {setting.name for setting in listing(Settings)}
SECTIONS = {name.partition(".")[0] for name in NAMES}


class TestPage:
    """The page, the model and the settings agree."""

    def test_up_to_date(self) -> None:
        """
        `make docs` writes its tables anew.
        """
        assert made(TEXT, read()) == TEXT

    def test_all_tables(self) -> None:
        assert sorted(re.findall(r"<!-- (?!end)(\w+) -->", TEXT)) == sorted(TABLES)

    def test_settings(self) -> None:
        """
        What it says to turn can be turned.
        """
        named = re.findall(r"`([a-z]+\.[a-z_]+)`", TEXT)
        settings = {name for name in named if name.partition(".")[0] in SECTIONS}

        assert settings
        assert not settings - NAMES
