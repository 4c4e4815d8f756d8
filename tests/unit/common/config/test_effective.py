"""Which settings hold, and where each comes from."""

from pathlib import Path
from typing import Any

from libs.common.config.effective import DEFAULT, SettingOrigin, effective
from services.settings import load

FILE = """
[gateway]
max_connections = 5

[[apps]]
id = "1"
key = "k"
secrets = ["a-secret-of-its-own"]

[apps.limits]
members = 7

[[apps]]
id = "2"
key = "l"
secrets = ["a-secret-of-its-own"]
client_events = true
"""


def held(tmp_path: Path, text: str = FILE, **environ: str) -> dict[str, tuple[Any, SettingOrigin]]:
    file = tmp_path / "f.toml"
    file.write_text(text)
    variables = {f"FANFARE_{name}": value for name, value in environ.items()}
    settings = load(path=file, environ=variables)
    return {
        each.name: (each.value, each.origin)
        for each in effective(settings, path=file, environ=variables)
    }


def test_file(tmp_path: Path) -> None:
    """What stands in the file comes from there, and what does not has its default."""
    found, file = held(tmp_path), SettingOrigin("file", str(tmp_path / "f.toml"))

    assert found["gateway.max_connections"] == (5, file)
    assert found["gateway.lease_ttl"][1] == DEFAULT
    assert found["server.listen"] == (["127.0.0.1:6001"], DEFAULT)
    assert found["routes"] == ([], DEFAULT)


def test_members(tmp_path: Path) -> None:
    """So it is within the tables of a list, each of which is counted from 0."""
    found, file = held(tmp_path), SettingOrigin("file", str(tmp_path / "f.toml"))

    assert found["apps[0].limits.members"] == (7, file)
    assert found["apps[1].limits.members"] == (100, DEFAULT)
    assert found["apps[0].client_events"] == (False, DEFAULT)
    assert found["apps[1].client_events"] == (True, file)
    assert found["apps[1].secrets"] == (["…"], file)


def test_environment(tmp_path: Path) -> None:
    """A variable wins over the file, and is named, also where it names a file of its own."""
    secret = tmp_path / "secret"
    secret.write_text("hush")
    found = held(
        tmp_path,
        GATEWAY_MAX_CONNECTIONS="9",
        KAFKA_SASL_PASSWORD_FILE=str(secret),
        KAFKA_SASL_MECHANISM="PLAIN",
        KAFKA_SASL_USERNAME="u",
    )

    variable = SettingOrigin("environment", "FANFARE_GATEWAY_MAX_CONNECTIONS")
    assert found["gateway.max_connections"] == (9, variable)
    of_a_file = SettingOrigin("environment", "FANFARE_KAFKA_SASL_PASSWORD_FILE")
    assert found["kafka.sasl_password"] == ("…", of_a_file)


def test_tables_of_the_environment(tmp_path: Path) -> None:
    """A list of tables in a variable takes the place of the file's."""
    apps = '[{"id": "3", "key": "m", "secrets": ["a-secret-of-its-own"]}]'
    found, variable = held(tmp_path, APPS=apps), SettingOrigin("environment", "FANFARE_APPS")

    assert found["apps[0].key"] == ("m", variable)
    assert found["apps[0].tenant"] == ("", DEFAULT)
    assert "apps[1].key" not in found


def test_every_setting() -> None:
    """None is left out, and none is told twice."""
    settings = load(path=None, environ={"FANFARE_BACKENDS_APPS": "postgresql://h/db"})
    names = [each.name for each in effective(settings, path=None, environ={})]

    assert len(names) == len(set(names)) > 100
    assert {"presence.lease_grace", "auth.memberships.query", "apps", "tokens.keys"} <= {*names}
