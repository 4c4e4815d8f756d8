"""`fanfare config show`: the settings that hold, without what is secret."""

import json
from pathlib import Path

import pytest

from services.cli import main
from tests.support.tokens.keys import pair

PUBLIC, PRIVATE = pair("ES256")
FILE = f"""
[backends]
bus = "redis://app:hush@h:6379/2"
roster = "redis://app:hush@h:6379/2"
events = "kafka://k:9092"
memberships = "postgresql://u:hush@h/db?sslmode=require"

[kafka]
sasl_mechanism = "PLAIN"
sasl_username = "u"
sasl_password = "hush"

[[apps]]
id = "1"
key = "k"
secrets = ["hush-hush-hush-hush", "hush-hush-hush-hush-2"]
encryption_master_key = "nxzvbGF+f8FGhk/jOaZvgMle1tqxzF/VfUZLBLhhaH1="

[[apps.webhooks]]
url = "https://x.example/services/hush?token=hush"
headers = {{ Authorization = "Bearer hush" }}

[[auth.issuers]]
issuer = "i"
audience = "a"
secret = "hush-hush-hush-hush-hush-hush-hush-hush"

[[auth.introspection]]
url = "https://id.example/?key=hush"
client_id = "c"
client_secret = "hush"

[[tokens.keys]]
kid = "t"
algorithm = "ES256"
private_key = '''
{PRIVATE}'''
public_key = '''
{PUBLIC}'''
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "fanfare.toml"
    file.write_text(FILE)
    return file


def shown(capsys: pytest.CaptureFixture[str], file: Path, *words: str) -> str:
    assert main(["config", "show", *words, "--config", str(file)]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("words", [(), ("--json",), ("--set",)])
def test_secrets(capsys: pytest.CaptureFixture[str], file: Path, words: tuple[str, ...]) -> None:
    """No kind of secret is shown: of apps, URLs, headers, issuers, keys, Kafka."""
    text = shown(capsys, file, *words)

    assert "hush" not in text
    assert "nxzvbGF" not in text
    assert "PRIVATE KEY" not in text
    assert "redis://app:…@h:6379/2" in text
    assert "https://x.example/…" in text


def test_places(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    """Each line has a name, a value, and where it comes from."""
    lines = shown(capsys, file, "backends.bus", "backends.control", "gateway").splitlines()

    assert lines[0].split() == ["backends.bus", '"redis://app:…@h:6379/2"', str(file)]
    assert lines[1].split()[2:] == ["as", "backends.roster"]
    assert any(line.split() == ["gateway.max_connections", "0", "default"] for line in lines)
    assert not any(line.startswith("server") for line in lines)


def test_set(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    """Those that are no default can be had alone; where there are none that is said."""
    assert len(shown(capsys, file, "kafka", "--set").splitlines()) == 3
    assert main(["config", "show", "gateway", "--set", "--config", str(file)]) == 0
    assert capsys.readouterr() == ("", "fanfare: all of these have their defaults\n")


def test_json(
    capsys: pytest.CaptureFixture[str], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FANFARE_GATEWAY_MAX_CONNECTIONS", "7")

    assert json.loads(shown(capsys, file, "gateway.max_connections", "--json")) == {
        "gateway.max_connections": {
            "value": 7,
            "source": "environment",
            "place": "FANFARE_GATEWAY_MAX_CONNECTIONS",
        }
    }


def test_unknown(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    assert main(["config", "show", "gatewy", "--config", str(file)]) == 2
    assert "there is no setting 'gatewy'; did you mean gateway?" in capsys.readouterr().err
