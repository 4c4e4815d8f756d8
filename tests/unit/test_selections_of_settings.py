"""The whole file: channels in which typing and reading are kept."""

from pathlib import Path

import pytest

from services.cli import main
from tests.unit.test_settings import APP, OTHER, problems, read

TYPING = '[[typing]]\npattern = "private-chat.{id}"\n'
RECEIPTS = '[[receipts]]\npattern = "private-chat.{id}"\nmarks = "positions"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file is."""
    return tmp_path / "fanfare.toml"


def test_app_left_out(file: Path) -> None:
    """Where there is a single app it is meant."""
    settings = read(file, APP, TYPING, RECEIPTS)

    (typing,), (receipts,) = settings.typing, settings.receipts
    assert (typing.app, typing.pattern) == ("1", "private-chat.{id}")
    assert (receipts.app, receipts.are_positions) == ("1", True)


def test_app_unnamed(file: Path) -> None:
    """Of several it must be named, and exist."""
    typing, receipts = problems(file, APP, OTHER, TYPING, RECEIPTS + 'app = "8"\n')

    assert typing.startswith('the typing rule for "private-chat.{id}" must name its app: ')
    assert receipts.startswith('the receipts rule for "private-chat.{id}" names the app ')
    assert receipts.endswith("'8', which does not exist")


@pytest.mark.parametrize("section", ["typing", "receipts"])
def test_bad_pattern(
    file: Path, section: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pattern that cannot be read is told when the settings are, by `fanfare check` too."""
    rule = f'[[{section}]]\npattern = "private-{{id"\n'
    said = f'the {section} rule for "private-{{id": a brace is not closed'

    (problem,) = problems(file, APP, rule)

    assert problem.startswith(said)
    monkeypatch.delenv("FANFARE_CONFIG", raising=False)
    assert main(["--config", str(file), "check"]) == 2
    assert said in capsys.readouterr().err


def test_unknown_marks(file: Path) -> None:
    """Marks are of one kind or the other."""
    (said,) = problems(file, APP, '[[receipts]]\npattern = "a"\nmarks = "numbered"\n')

    assert "receipts[0]" in said
