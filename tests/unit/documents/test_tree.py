"""docs/tree.md is the tree that is there, and what the documents name exists."""

import re
from pathlib import Path

import pytest

from tests.support.documents.tree import ROOT, TOPS, first_sentence, modules, page

DOCUMENTS = sorted(
    path
    for folder in (
        ROOT,
        *(
            ROOT / name
            for name in ("docs", "docs/adr", "docs/deploy", "docs/migrate", "examples/chat")
        ),
    )
    for path in folder.glob("*.md")
    if path.name != "CHANGELOG.md"
)
TREE = ROOT / "docs" / "tree.md"
TESTS = ROOT / "tests"

_PATH = re.compile(
    r"(?<![\w/.-])((?:services|libs|tests|bench|deploy|docs|examples|contract|ensemble|service|unit|clients|"
    r"conformance|support)/[\w./-]*\w\.(?:py|lua|sql|mjs|toml|sh|cfg|yml|md))\b"
)
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


class TestPage:
    """The page says what the source says of itself."""

    def test_up_to_date(self) -> None:
        """`make docs` writes it anew."""
        assert TREE.read_text(encoding="utf-8") == page()

    def test_every_module_speaks(self) -> None:
        """Whoever opens a module learns from its first line what it is."""
        folders = [folder for top in TOPS for folder in [ROOT / top, *(ROOT / top).rglob("*/")]]
        silent = [path for each in folders for path in modules(each) if not first_sentence(path)]

        assert not silent


class TestFirstSentence:
    """What a module says of itself first."""

    @pytest.mark.parametrize(
        "text, said",
        [
            ('"""Roster: who is here."""', "Roster: who is here"),
            ('"""\nOne line of two\nparts.  And more.\n"""', "One line of two parts"),
            ('"""\nA list: ``a.b``, `c.d`\n\nMore.\n"""', "A list: ``a.b``, `c.d`"),
            ("X = 1\n", ""),
        ],
    )
    def test_of_a_module(self, tmp_path: Path, text: str, said: str) -> None:
        path = tmp_path / "module.py"
        path.write_text(text)

        assert first_sentence(path) == said

    @pytest.mark.parametrize(
        "text",
        ["-- Take a lease.\n-- KEYS\n", "#!lua flags=x\n-- Take\n-- a lease.  Once.\nreturn 1"],
    )
    def test_of_a_script(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "take.lua"
        path.write_text(text)

        assert first_sentence(path) == "Take a lease"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
class TestPaths:
    """What a document names is there."""

    def test_files(self, document: Path) -> None:
        named = set(_PATH.findall(document.read_text(encoding="utf-8")))

        places = (ROOT, TESTS, document.parent)  # docs/deploy is named so by its neighbours.

        assert not {name for name in named if not any((at / name).exists() for at in places)}

    def test_links(self, document: Path) -> None:
        named = set(_LINK.findall(document.read_text(encoding="utf-8")))

        assert not {name for name in named if not (document.parent / name).exists()}
