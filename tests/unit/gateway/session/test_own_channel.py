"""A user's own channel, and the answer to a sign-in, which waits for it."""

from math import inf

import pytest

from services.gateway.protocol.effects import Send
from services.gateway.protocol.frames import User
from services.gateway.session.own_channel import PATIENCE, OwnChannel, own_channel

ANSWER, OTHER = Send(b"signed in"), Send(b"signed in again")


@pytest.mark.parametrize("user_id", ["7", "auth0|5f", "Zo\u00eb"])
def test_name(user_id: str) -> None:
    assert own_channel(User(user_id, "{}", ())) == f"#server-to-user-{user_id}"
    assert own_channel(None) is None


class TestAnswer:
    """It is told once: when the client is in its channel, or after a while."""

    def test_told(self) -> None:
        own = OwnChannel()
        own.wait([ANSWER], now=1.0)
        assert own.due == 1.0 + PATIENCE

        assert own.told() == [ANSWER]
        assert (own.told(), own.due) == ([], inf)

    def test_overdue(self) -> None:
        own = OwnChannel()
        own.wait([ANSWER], now=1.0)

        assert own.overdue(1.0 + PATIENCE - 0.1) == []
        assert own.overdue(1.0 + PATIENCE) == [ANSWER]
        assert own.overdue(inf) == []

    def test_repeated(self) -> None:
        """A sign-in that is repeated meanwhile is answered with it, and makes nobody wait longer."""
        own = OwnChannel()
        own.wait([ANSWER], now=1.0)
        own.wait([OTHER], now=2.0)

        assert own.due == 1.0 + PATIENCE
        assert own.told() == [OTHER]

    def test_dropped(self) -> None:
        own = OwnChannel()
        own.wait([ANSWER], now=1.0)

        own.drop()

        assert (own.told(), own.due) == ([], inf)
