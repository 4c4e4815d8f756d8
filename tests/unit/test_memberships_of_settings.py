"""What must hold between the settings of memberships and those of backends."""

from collections.abc import Callable
from pathlib import Path

import pytest

from libs.common.errors import Misconfigured
from services.settings import Settings, check_services, load

APP = '[[apps]]\nid = "1"\nkey = "k"\nsecrets = ["s"]\n'
MEMBER = '[[channels]]\npattern = "private-a.{id}"\nmember_of = "a:{id}"\n'
POSTGRES = 'memberships = "postgresql://u@h/d"\n'
CONTROL = '[backends]\ncontrol = "redis://h"\n'
QUERY = '[auth.memberships]\nquery = "SELECT 1 FROM m WHERE u = $2 AND g = $3"\n'
TOPIC = '[auth.memberships]\ntopic = "members"\n'
KAFKA = 'events = "kafka://h:9092"\n'

Read = Callable[..., Settings]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read settings with one app."""

    def read(*parts: str) -> Settings:
        file = tmp_path / "fanfare.toml"
        file.write_text("".join((APP, *parts)))
        return load(path=file, environ={})

    return read


class TestBackends:
    """Where memberships are, they can be read."""

    def test_query(self, read: Read) -> None:
        """A query needs a database."""
        assert read(CONTROL + POSTGRES, QUERY).auth.memberships.query.startswith("SELECT")
        with pytest.raises(Misconfigured, match=r"query reads a PostgreSQL: name it in backends"):
            read(QUERY)

    def test_topic(self, read: Read) -> None:
        """What Kafka tells once must be kept."""
        assert read(TOPIC).auth.memberships.topic == "members"
        assert read("[backends]\n", KAFKA, POSTGRES, TOPIC).auth.memberships.topic == "members"
        with pytest.raises(
            Misconfigured, match=r"topic needs a PostgreSQL in backends\.memberships"
        ):
            read("[backends]\n", KAFKA, TOPIC)

    @pytest.mark.parametrize(
        "text,reason",
        [
            ('query = "SELECT $1, $2, $3, $6"', r"the parameters \$1 to \$5, and no others"),
            ('query = "SELECT $2, $3, $0"', r"the parameters \$1 to \$5, and no others"),
            ('query = "SELECT $3"', r"must look at the user, \$2, and at the group"),
            ('query = "SELECT $1, $2, $4"', r"must look at the user, \$2, and at the group"),
            ('query = "SELECT $2, $5"\ntopic = "t"', "query and topic exclude each other"),
            ("cache = 61", "cache: expected a number"),
            ("cache = -1", "cache: expected a number"),
            ("timeout = 0", "timeout: expected a number"),
            ("cache_entries = 0", "cache_entries: expected a whole number"),
        ],
    )
    def test_refused(self, read: Read, text: str, reason: str) -> None:
        with pytest.raises(Misconfigured, match=reason):
            read(CONTROL + POSTGRES, "[auth.memberships]\n", text)


class TestMeeting:
    """Auth alone must share what its policies ask for."""

    def test_not_asked_for(self, read: Read) -> None:
        """Who has no such policies needs no database."""
        check_services(read(CONTROL), ["auth"])

    def test_memory(self, read: Read) -> None:
        with pytest.raises(Misconfigured, match=r"real servers in backends\.memberships, or run"):
            check_services(read(CONTROL, MEMBER), ["auth"])

    def test_postgres(self, read: Read) -> None:
        check_services(read(CONTROL + POSTGRES, MEMBER), ["auth"])

    def test_topic(self, read: Read) -> None:
        with pytest.raises(Misconfigured, match=r"real servers in backends\.events, or run"):
            check_services(read(CONTROL + POSTGRES, TOPIC), ["auth"])

    def test_others(self, read: Read) -> None:
        """No other service asks for memberships."""
        check_services(
            read(CONTROL + 'bus = "redis://h"\nroster = "redis://h"\n', MEMBER), ["gateway"]
        )
