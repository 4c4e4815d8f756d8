"""When silent clients are asked for a word, and given up."""

import pytest

from services.gateway.protocol.effects import Ping
from services.gateway.protocol.keepalive import PONG_NOT_RECEIVED, Keepalive
from services.gateway.settings import GatewaySettings

ACTIVITY, PONG = 120.0, 30.0


@pytest.fixture
def keepalive() -> Keepalive:
    """Return that of a client which connected at 10."""
    return Keepalive(GatewaySettings(activity_timeout=ACTIVITY, pong_timeout=PONG), heard_at=10.0)


def test_asked(keepalive: Keepalive) -> None:
    """After the activity time-out it is asked, and not before."""
    assert keepalive.due == 10.0 + ACTIVITY
    assert keepalive.judged(9.9 + ACTIVITY) == []
    assert keepalive.judged(10.0 + ACTIVITY) == [Ping()]


def test_given_up(keepalive: Keepalive) -> None:
    """It has the pong time-out from when it was asked, however late that was; it is asked once."""
    asked = 500.0
    keepalive.judged(asked)

    assert keepalive.due == asked + PONG
    assert keepalive.judged(asked + PONG - 0.1) == []
    assert keepalive.judged(asked + PONG) == [PONG_NOT_RECEIVED]


def test_answers(keepalive: Keepalive) -> None:
    """Whatever it says, it is alive: all begins anew."""
    keepalive.judged(10.0 + ACTIVITY)
    keepalive.heard(140.0)

    assert keepalive.due == 140.0 + ACTIVITY
    assert keepalive.judged(140.0 + PONG) == []
    assert keepalive.judged(140.0 + ACTIVITY) == [Ping()]


def test_code() -> None:
    """Pusher, "Connection closure": 4200-4299 mean reconnect at once."""
    assert PONG_NOT_RECEIVED.code == 4201
