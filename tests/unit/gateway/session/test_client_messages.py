"""What a client says to others, and of its user to us."""

import msgspec
import pytest

from libs.common.apps.app import App
from services.gateway.protocol.effects import Away, Relay
from services.gateway.session.session import Session
from tests.support.clients.pusher import subscribe_private
from tests.unit.gateway.conftest import SOCKET_ID
from tests.unit.gateway.conversation import client_event, errors

ROOM = "private-room"
AWAY = "client-away"


@pytest.fixture
def joined(session: Session, app: App) -> Session:
    session.received(subscribe_private(app, SOCKET_ID, ROOM), now=0)
    session.admitted(ROOM, None)
    return session


@pytest.fixture
def mute(joined: Session) -> Session:
    """Return one whose app has no client events."""
    joined.app = msgspec.structs.replace(joined.app, client_events=False)
    return joined


class TestAway:
    """``client-away``, with true or false."""

    @pytest.mark.parametrize("data", [True, "true"])
    def test_taken_and_relayed(self, joined: Session, data: object) -> None:
        """
        It is taken, and passed on like any other; what was said before is passed on alone.
        """
        away, relayed = joined.received(client_event(ROOM, AWAY, data=data), now=1)

        assert away == Away(is_away=True)
        assert isinstance(relayed, Relay)
        assert joined.is_away
        (again,) = joined.received(client_event(ROOM, AWAY, data=data), now=2)
        assert isinstance(again, Relay)

    def test_not_relayed(self, mute: Session) -> None:
        """
        Where clients may not send events to each other it is taken all the same, and no other is.
        """
        assert mute.received(client_event(ROOM, AWAY, data=True), now=1) == [Away(is_away=True)]
        assert mute.received(client_event(ROOM, AWAY, data=False), now=2) == [Away(is_away=False)]
        assert errors(mute.received(client_event(ROOM), now=3)) == [4301]

    @pytest.mark.parametrize("data", [None, 1, "away", {"away": True}])
    def test_other_data(self, mute: Session, data: object) -> None:
        """
        Whatever else it says is not for us.
        """
        assert mute.received(client_event(ROOM, AWAY, data=data), now=1) == []
        assert not mute.is_away

    def test_rules(self, mute: Session) -> None:
        """
        The rules of client events hold for it: the channel, and the rate.
        """
        assert errors(mute.received(client_event("private-2", AWAY, data=True), now=1)) == [4301]
        for _ in range(2):
            mute.received(client_event(ROOM, AWAY, data=True), now=1)
        assert errors(mute.received(client_event(ROOM, AWAY, data=False), now=1)) == [4301]
        assert mute.is_away


class TestSilence:
    """A client that does nothing but answer pings."""

    def test_pongs(self, session: Session) -> None:
        """
        What SDKs send by themselves keeps a connection alive, and nobody active.
        """
        for now in range(0, 290, 10):
            session.received('{"event":"pusher:ping","data":{}}', now=now)
            session.received('{"event":"pusher:pong","data":{}}', now=now)
            session.heard(now)

        assert session.ticked(299.0) == []
        assert session.next_tick == 300.0
        assert session.ticked(300.0) == [Away(is_away=True)]
        assert session.is_away

    def test_back(self, session: Session) -> None:
        """
        Whatever else it sends says that its user is back, also what is refused.
        """
        session.ticked(300.0)

        first, *others = session.received('{"event":"nonsense"}', now=301.0)

        assert first == Away(is_away=False)
        assert errors(others) == [4300]
