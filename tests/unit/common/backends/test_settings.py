"""Where the backends are."""

from typing import Any

import msgspec
import pytest

from libs.common.backends.settings import BackendSettings
from libs.common.config.address import Url


def test_left_out() -> None:
    """What has no place of its own is where its like is."""
    settings = BackendSettings(roster=Url("redis://r"), memberships=Url("postgresql://m"))

    assert str(settings.control) == str(settings.sessions) == "redis://r"
    assert str(settings.sightings) == "postgresql://m"
    assert str(settings.bus) == "memory://"


def test_of_their_own() -> None:
    settings = BackendSettings(
        roster=Url("redis://r"),
        control=Url("redis://c"),
        sessions=Url("redis://s"),
        sightings=Url("postgresql://s"),
    )

    assert str(settings.control) == "redis://c"
    assert str(settings.sessions) == "redis://s"
    assert str(settings.sightings) == "postgresql://s"


@pytest.mark.parametrize(
    "change",
    [{"prefix": ""}, {"prefix": "a:b"}, {"partitions": 0}, {"partitions": 1 << 20}, {"buss": ""}],
)
def test_refused(change: dict[str, Any]) -> None:
    """A prefix parts keys from those of others, so it has none of the characters that they are made with."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(change, BackendSettings)
