"""What a gateway is doing, as a value."""

from dataclasses import FrozenInstanceError, asdict

import msgspec
import pytest

from services.gateway.state import GatewayState

STATE = GatewayState(
    name="g1",
    is_accepting=True,
    is_listening=True,
    is_informed=False,
    is_unseated=False,
    connections=1,
    unsent=2,
    channels=3,
    online=9,
    untold=10,
    watched=11,
    typing=12,
    marks=13,
    waiting=4,
    delayed=15,
    newcomers=5,
    signing_in=6,
    unreported=7,
    counted=8,
    unheard=14,
)


def test_plain() -> None:
    """All of it can be shown to operators as JSON."""
    assert msgspec.json.decode(msgspec.json.encode(STATE)) == asdict(STATE)


def test_one_moment() -> None:
    """It does not go on with the gateway."""
    with pytest.raises(FrozenInstanceError):
        STATE.connections = 9  # type: ignore[misc]
