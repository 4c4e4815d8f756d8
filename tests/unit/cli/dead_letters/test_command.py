"""How dead letters are shown, and what is refused."""

import json
from pathlib import Path

import pytest

from libs.common.eventlog.records import Record
from services.cli import main
from services.cli.dead_letters.command import BAR, bar, json_line
from services.dispatcher.events.dead_letters import PutAside, dead_letter, put_aside
from tests.unit.test_settings import APP


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "f.toml"
    file.write_text(APP)
    return file


def letter(key: bytes | None, value: bytes | None) -> PutAside:
    new = dead_letter(Record("t", 0, 7, 1.5, key, value, ()), "dead", kind="K", reason="r")
    found = put_aside(Record(new.topic, 1, 2, 3.0, new.key, new.value, new.headers))
    assert found is not None
    return found


def test_json() -> None:
    assert json.loads(json_line(letter(b"k", b"value"), with_value=False)) == {
        "id": "1/2",
        "topic": "t",
        "partition": 0,
        "offset": 7,
        "produced_at": "1970-01-01T00:00:01.500Z",
        "kind": "K",
        "reason": "r",
        "bare": False,
        "bytes": 5,
    }


def test_values() -> None:
    """Bytes that are no text have another name."""
    whole = json.loads(json_line(letter(None, b"\xff\x00"), with_value=True))

    assert (whole["key"], whole["value_base64"]) == (None, "/wA=")
    assert json.loads(json_line(letter(b"k", b"v"), with_value=True))["value"] == "v"


@pytest.mark.parametrize(
    "count,total,full,said",
    [(0, 10, 0, "0 of 10"), (5, 10, 15, "5 of 10"), (12, 10, 30, "12 of 12"), (0, 0, 30, "0 of 0")],
)
def test_bar(count: int, total: int, full: int, said: str) -> None:
    drawn = bar(count, total)

    assert drawn.count("#") == full
    assert len(drawn.partition("]")[0]) == BAR + 1
    assert drawn.endswith(said)


@pytest.mark.parametrize("events", ["memory://", "none"])
def test_nothing_kept(
    capsys: pytest.CaptureFixture[str], file: Path, events: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Kafka there are lines of the log alone."""
    monkeypatch.setenv("FANFARE_BACKENDS_EVENTS", events)

    assert main(["dead-letters", "list", "--config", str(file)]) == 2
    assert (
        f"backends.events is {events}, where dead letters are lines of the log"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "words,said",
    [
        ((), "which? name IDs, --topic, --kind, or --all"),
        (("0/1", "--all"), "--all goes with no ID, --topic or --kind"),
        (("--kind", "Unroutable", "--all"), "--all goes with no ID, --topic or --kind"),
        (("abc",), "'abc' is no ID of a letter"),
        (("0/1", "1"), "'1' is no ID of a letter"),
    ],
)
def test_which(
    capsys: pytest.CaptureFixture[str],
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    said: str,
) -> None:
    """It must be said which are sent again, and only that."""
    monkeypatch.setenv("FANFARE_BACKENDS_EVENTS", "kafka://127.0.0.1:1")

    assert main(["dead-letters", "replay", *words, "--config", str(file)]) == 2
    assert said in capsys.readouterr().err
