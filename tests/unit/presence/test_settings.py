"""Timers of presence."""

from typing import Any

import msgspec
import pytest

from services.presence.settings import PresenceSettings


def test_defaults() -> None:
    """A lapsed lease is given a while, and looked for often."""
    settings = PresenceSettings()

    assert settings.lease_grace > settings.sweep_interval > 0


def test_no_grace() -> None:
    """Without grace what lapses is cleared at once."""
    assert msgspec.convert({"lease_grace": 0}, PresenceSettings).lease_grace == 0


def test_sightings() -> None:
    """What is kept of users is kept for a while; nothing is where it is not kept when they were last seen."""
    assert PresenceSettings().keeps_sightings
    assert not PresenceSettings(keep_last_seen=0).keeps_sightings


@pytest.mark.parametrize(
    "change",
    [
        {"lease_grace": -1},
        {"sweep_interval": 0},
        {"sweep_interval": "1"},
        {"grace": 1},
        {"keep_last_seen": -1},
        {"keep_spans": 1e9},
        {"read_timeout": 0},
    ],
)
def test_refused(change: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(change, PresenceSettings)
