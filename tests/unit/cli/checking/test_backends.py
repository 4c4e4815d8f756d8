"""Which backends are reached."""

from pathlib import Path

import pytest

from services.cli.checking.backends import (
    apps_of,
    backends_of,
    connections_of,
    is_migrated,
    used_by,
)
from services.settings import SERVICES, Settings
from tests.unit.test_settings import APP, read

SERVERS = """
[backends]
bus = "redis://r"
roster = "redis://r"
control = "redis://c"
events = "kafka://k"
memberships = "postgresql://p/db"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read(tmp_path / "f.toml", SERVERS, APP)


def names(settings: Settings, *services: str) -> list[tuple[str, ...]]:
    return [backend.names for backend in backends_of(settings, services)]


def test_once(settings: Settings) -> None:
    """Each server is reached once, under all its names; memory is none."""
    assert names(settings, *SERVICES) == [
        ("bus", "roster", "sessions"),
        ("control",),
        ("events",),
        ("memberships", "sightings"),
    ]


def test_of_services(settings: Settings) -> None:
    """What only services elsewhere use is theirs to reach."""
    assert names(settings, "gateway") == [("bus", "roster", "sessions"), ("control",)]
    assert names(settings, "auth") == [("control",), ("memberships",)]


def test_named_topics(tmp_path: Path) -> None:
    """Kafka is of whoever has a topic there."""
    topics = '[auth.memberships]\ntopic = "t"\n[presence]\nlifecycle_topic = "l"'
    with_topics = read(tmp_path / "f.toml", SERVERS, APP, topics)

    assert "events" in used_by(["auth"], with_topics)
    assert "events" in used_by(["presence"], with_topics)
    assert "events" not in used_by(["gateway"], with_topics)


def test_tables(settings: Settings, tmp_path: Path) -> None:
    """Tables of the operator's own are not migrated; those of last seen are."""
    query = '[auth.memberships]\nquery = "SELECT 1 WHERE $1 = $2 AND $3 = $3"'
    queried = read(tmp_path / "f.toml", SERVERS, APP, query)
    (of_auth,) = [each for each in backends_of(queried, ["auth"]) if each.names == ("memberships",)]
    (both,) = [each for each in backends_of(queried, SERVICES) if "sightings" in each.names]

    assert is_migrated(of_auth, settings)
    assert not is_migrated(of_auth, queried)
    assert is_migrated(both, queried)
    assert connections_of(both, settings) == 4 * settings.postgres.pool_size


def test_apps(settings: Settings) -> None:
    """Apps of the file are known whatever is away."""
    assert apps_of(settings, []) == settings.apps
