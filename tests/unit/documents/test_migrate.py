"""docs/migrate/ has a row for every option of the servers that people come from, and names settings that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.common.config.environment import CONFIG, FILE, listing
from services.settings import Settings, load
from tests.support.documents.tree import ROOT

FOLDER = ROOT / "docs" / "migrate"
PAGES = sorted(FOLDER.glob("*.md"))
PEERS = sorted((Path(__file__).parent / "peers").glob("*.txt"))  # Names of options, one a line.
SETTINGS = {setting.name for setting in listing(Settings)}
VARIABLES = {setting.variable for setting in listing(Settings)} - {""}
APP = '\n[[apps]]\nid = "1"\nkey = "shop"\nsecrets = ["a-secret-of-its-own"]\n'
SECTIONS = {re.split(r"[.\[]", name)[0] for name in SETTINGS}

_TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_JSON = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_NAME = re.compile(r"([a-z_]+)(?:\[\])?(?:\.[a-z_]+(?:\[\])?)*")
_SUFFIX = re.compile(r"\.(?:php|json|md|toml|env)$")
_RULE = re.compile(r"[-|: ]+")
_VARIABLE = re.compile(r"\bFANFARE_\w+")

by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of each row of a page's tables, heads and rules aside."""
    lines = _FENCE.sub("", text).splitlines()
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        is_row = line.startswith("|") and not _RULE.fullmatch(line)
        if is_row and not _RULE.fullmatch(after or "-no-"):
            yield [cell.strip() for cell in line.strip()[1:-1].split("|")]


def options(page: Path) -> set[str]:
    """Return what the columns of the others name: all but the last."""
    cells = [cell for row in rows(page.read_text(encoding="utf-8")) for cell in row[:-1]]
    return {name for cell in cells for name in _CODE.findall(cell)}


def ours(text: str) -> str:
    """Return a page without the columns of the others."""
    kept = [row[-1] for row in rows(text)]
    prose = [line for line in _FENCE.sub("", text).splitlines() if not line.startswith("|")]
    return "\n".join(prose + kept)


def named(text: str) -> set[str]:
    """Return the code in a text that reads like the name of a setting of ours."""
    found = {name for name in _CODE.findall(text) if "." in name and not _SUFFIX.search(name)}
    return {name for name in found if (match := _NAME.fullmatch(name)) and match[1] in SECTIONS}


class TestOptions:
    """Who comes finds what becomes of each option."""

    @pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.stem)
    def test_rows(self, peer: Path) -> None:
        """Every option that the other server has is in a row of its page."""
        known = peer.read_text(encoding="utf-8").split()

        missing = set(known) - options(FOLDER / f"{peer.stem}.md")

        assert known
        assert not missing

    @pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.stem)
    def test_an_answer(self, peer: Path) -> None:
        """Each row ends with a setting of ours, or says that there is none, and why."""
        text = (FOLDER / f"{peer.stem}.md").read_text(encoding="utf-8")

        silent = [
            row for row in rows(text) if not named(row[-1]) and not row[-1].startswith("none: ")
        ]

        assert not silent


class TestSettings:
    """What the pages name is there."""

    @by_page
    def test_names(self, page: Path) -> None:
        """Every setting that a page names exists, and is called so."""
        assert not named(ours(page.read_text(encoding="utf-8"))) - SETTINGS

    @by_page
    def test_variables(self, page: Path) -> None:
        """So does every variable."""
        found = set(_VARIABLE.findall(page.read_text(encoding="utf-8")))

        assert not {name.removesuffix(FILE) for name in found} - VARIABLES - {CONFIG, "FANFARE_"}


class TestExamples:
    """What the pages give to copy can be copied."""

    @by_page
    def test_settings(self, page: Path, tmp_path: Path) -> None:
        """Every example of settings is loaded, with an app where it has none."""
        for number, text in enumerate(_TOML.findall(page.read_text(encoding="utf-8"))):
            file = tmp_path / f"{number}.toml"
            file.write_text(text if "[[apps]]" in text else text + APP)

            assert load(path=file, environ={}).apps

    def test_of_soketi(self, tmp_path: Path) -> None:
        """What stands side by side in soketi.md says the same."""
        text = (FOLDER / "soketi.md").read_text(encoding="utf-8")
        (theirs,), (settings,) = _JSON.findall(text), _TOML.findall(text)
        file = tmp_path / "fanfare.toml"
        file.write_text(settings)

        loaded, known = load(path=file, environ={}), json.loads(theirs)

        (app,), (old,) = loaded.apps, known["appManager.array.apps"]
        assert [*map(str, loaded.server.listen)] == [f"{known['host']}:{known['port']}"]
        assert (app.id, app.key, app.secrets[0].reveal()) == (old["id"], old["key"], old["secret"])
        assert app.limits.connections == old["maxConnections"]
        assert app.client_events == old["enableClientMessages"]


class TestReading:
    """The pages are read as they are meant."""

    def test_rows(self) -> None:
        text = "| a | b |\n|---|---|\n| `x`, `y` | `z` |\n\n```\n| no | row |\n```\n"

        assert list(rows(text)) == [["`x`, `y`", "`z`"]]

    def test_named(self) -> None:
        """Files, and names of others, are no settings; a misspelt one is seen."""
        text = "`routes/channels.php`, `server.php`, `cluster.port`, `gateway.max_conections`"

        assert named(text) == {"gateway.max_conections"}
