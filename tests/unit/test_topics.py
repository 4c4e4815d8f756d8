"""Topics of the event log that are meant for one thing, and what is refused that would use them for another."""

from pathlib import Path

import pytest

from services.topics import named_topics, refused_topics
from tests.unit.test_settings import APP, POSTGRES, ROUTE, problems, read

LETTERS = "fanfare.dead-letters"
DISPATCHER = '[dispatcher]\ndead_letter_topic = "fanfare.events.1"\n'
MEMBERSHIPS = '[auth.memberships]\ntopic = "m"\n'
FACTS = '[presence]\nlifecycle_topic = "f"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file is."""
    return tmp_path / "fanfare.toml"


@pytest.mark.parametrize(
    "parts,said",
    [
        ([APP, ROUTE, f'topic = "{LETTERS}"\n'], f'the route "r" reads {LETTERS}, dispatcher.'),
        (
            [APP, f'topic = "{LETTERS}"\n'],
            f"app 1: topic: {LETTERS} is dispatcher.dead_letter_topic",
        ),
        ([APP, DISPATCHER], "app 1: topic: fanfare.events.1 is dispatcher.dead_letter_topic"),
        ([APP, 'topic = "m"\n', MEMBERSHIPS], "app 1: topic: m is auth.memberships.topic"),
        ([APP, 'topic = "f"\n', FACTS], "app 1: topic: f is presence.lifecycle_topic"),
        (
            [APP, MEMBERSHIPS.replace('"m"', f'"{LETTERS}"')],
            f"auth.memberships.topic ({LETTERS}) is dispatcher.dead_letter_topic, too",
        ),
        (
            [APP, MEMBERSHIPS, FACTS.replace('"f"', '"m"')],
            "presence.lifecycle_topic (m) is auth.memberships.topic, too",
        ),
        (
            [POSTGRES, ROUTE, f'app = "1"\ntopic = "{LETTERS}"\n'],
            f'the route "r" reads {LETTERS}, dispatcher.',
        ),
    ],
)
def test_refused(file: Path, parts: list[str], said: str) -> None:
    """It is refused with its name, and with the setting whose topic it is."""
    (problem,) = problems(file, *parts)

    assert problem.startswith(said)


@pytest.mark.parametrize("topic", ["m", "f", "own"])
def test_read(file: Path, topic: str) -> None:
    """Routes may read what is told of memberships and channels, and all else."""
    settings = read(file, APP, ROUTE, f'topic = "{topic}"\n', MEMBERSHIPS, FACTS)
    named = named_topics(settings.dispatcher, settings.auth, settings.presence)

    assert settings.routes[0].topic == topic
    assert set(named.values()) == {LETTERS, "m", "f"}
    assert list(refused_topics(named, settings.apps, settings.routes)) == []
