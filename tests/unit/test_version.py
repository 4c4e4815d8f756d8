"""The release is told, and never stops anything."""

import tomllib

from services.version import UNKNOWN, VERSION, release
from tests.support.purity import ROOT


def test_installed() -> None:
    """It is the one of pyproject.toml, with which it was installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["version"] == VERSION


def test_not_installed() -> None:
    assert release("there-is-no-such-package") == UNKNOWN
