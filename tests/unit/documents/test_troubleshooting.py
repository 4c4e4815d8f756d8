"""docs/troubleshooting.md names commands, options and codes that there are."""

import re
import shlex

import pytest

from libs.common.errors import Denied, Invalid, Unavailable
from services.cli import parser
from tests.support.documents.transcripts import Transcript, commands, transcripts
from tests.support.documents.tree import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
TEXT = PAGE.read_text(encoding="utf-8")
SOURCE = [
    path.read_text(encoding="utf-8")
    for top in ("libs", "services")
    for path in (ROOT / top).rglob("*.py")
]


@pytest.mark.parametrize("line", sorted({*commands(PAGE)}))
def test_commands(line: str) -> None:
    """Each is understood."""
    arguments, rest = parser().parse_known_args(shlex.split(line)[1:])

    assert arguments.command
    assert rest == []


@pytest.mark.parametrize("code", sorted({*re.findall(r"\b4[0-2]\d\d\b", TEXT)}))
def test_codes(code: str) -> None:
    """
    Each code is one that the source has.
    """
    of_classes = {str(branch.code) for branch in (Invalid, Denied, Unavailable)}

    assert code in of_classes or any(re.search(rf"\b{code}\b", text) for text in SOURCE)


@pytest.mark.parametrize("words", re.findall(r"^\| `([a-z ]+: [a-z ]+)`", TEXT, re.MULTILINE))
def test_reasons(words: str) -> None:
    """
    Each reason is one that the source gives.
    """
    assert any(f'"{words}"' in text for text in SOURCE)


def test_every_part() -> None:
    """
    The table at the top leads to every part.
    """
    parts = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)

    assert re.findall(r"\| \[(.+?)\]\(#.+?\) \|$", TEXT, re.MULTILINE)[: len(parts)] == parts


class TestTranscript:
    """What counts as the same output."""

    @pytest.mark.parametrize("printed", ["connect 12.3 ms\nok a", "connect    0.1 ms\nok zz\n"])
    def test_fits(self, printed: str) -> None:
        assert Transcript("x", "connect     5.4 ms\nok …\n").fits(printed)

    @pytest.mark.parametrize("printed", ["", "connect 1.0 ms", "connect 1.0 s\nok a", "x\nok a"])
    def test_fits_not(self, printed: str) -> None:
        assert not Transcript("x", "connect     5.4 ms\nok …\n").fits(printed)

    def test_found(self) -> None:
        assert len(transcripts(PAGE)) >= 10
