"""Who must prove to be somebody, and by when."""

import json

import msgspec
import pytest

from libs.common.apps.app import App
from libs.common.apps.signatures import token, user_text
from services.gateway.protocol.effects import Ping
from services.gateway.session.session import NOT_KNOWN, Session
from services.gateway.settings import GatewaySettings
from tests.support.clients.pusher import subscribe, subscribe_presence, subscribe_private
from tests.support.tokens.channel_tokens import verifier
from tests.unit.gateway.conftest import SOCKET_ID

TIMEOUT = 5.0


@pytest.fixture
def app(app: App) -> App:
    return msgspec.structs.replace(app, auth_timeout=TIMEOUT)


def sign_in(app: App, *, good: bool = True) -> str:
    text = '{"id":"ann"}'
    auth = token(app, user_text(SOCKET_ID if good else "9.9", text))
    return json.dumps({"event": "pusher:signin", "data": {"auth": auth, "user_data": text}})


class TestTimeout:
    """docs/configuration.md, "apps[].auth_timeout"."""

    def test_nobody(self, session: Session) -> None:
        """
        Who shows no token in time is sent away with 4009, and not before.
        """
        session.received(subscribe("news"), now=1.0)
        session.admitted("news", None)

        assert session.next_tick == TIMEOUT
        assert session.ticked(TIMEOUT - 0.01) == []
        assert session.ticked(TIMEOUT) == [NOT_KNOWN]
        assert NOT_KNOWN.code == 4009

    def test_busy(self, session: Session) -> None:
        """
        Being heard of is not being known.
        """
        session.received('{"event":"pusher:ping"}', now=TIMEOUT - 0.1)

        assert session.ticked(TIMEOUT) == [NOT_KNOWN]

    @pytest.mark.parametrize("channel", ["private-1", "private-encrypted-1", "private-cache-1"])
    def test_private(self, session: Session, channel: str) -> None:
        """
        A good token for a private channel is enough.
        """
        session.received(subscribe_private(session.app, SOCKET_ID, channel), now=1.0)

        assert session.ticked(TIMEOUT) == []

    def test_presence(self, session: Session) -> None:
        """
        So is one for a presence channel, also while it cannot be found out whether there is room.
        """
        frame = subscribe_presence(session.app, SOCKET_ID, "presence-1", user_id="ann")
        session.received(frame, now=1.0)

        assert session.ticked(TIMEOUT) == []

    def test_sign_in(self, session: Session) -> None:
        """
        So is signing in.
        """
        session.received(sign_in(session.app), now=1.0)

        assert session.ticked(TIMEOUT) == []

    def test_bad_token(self, session: Session) -> None:
        """
        What is refused counts for nothing.
        """
        session.received(sign_in(session.app, good=False), now=1.0)
        session.received(subscribe("private-1", auth="app-key:0"), now=1.0)
        session.received(subscribe_private(session.app, SOCKET_ID, "private-ü"), now=1.0)

        assert session.ticked(TIMEOUT) == [NOT_KNOWN]

    def test_known_for_good(self, session: Session) -> None:
        """
        Who was known once stays so, whatever it leaves.
        """
        session.received(subscribe_private(session.app, SOCKET_ID, "private-1"), now=1.0)
        session.admitted("private-1", None)
        session.received('{"event":"pusher:unsubscribe","data":{"channel":"private-1"}}', now=2.0)

        assert session.ticked(TIMEOUT) == []

    def test_unknown_and_silent(self, app: App) -> None:
        """
        Pings are sent as ever, and a ping that waits for its answer does not put the end off.
        """
        app = msgspec.structs.replace(app, auth_timeout=40.0)
        session = Session(app, SOCKET_ID, GatewaySettings(), now=0.0, verifier=verifier())

        assert session.next_tick == 30.0
        assert session.ticked(30.0) == [Ping()]
        assert session.next_tick == 40.0
        assert session.ticked(40.0) == [NOT_KNOWN]

    def test_off(self, app: App) -> None:
        """
        Without a timeout nobody need be known: that is the default.
        """
        assert App(id="1", key="k", secrets=app.secrets).auth_timeout == 0
        session = Session(
            msgspec.structs.replace(app, auth_timeout=0.0),
            SOCKET_ID,
            GatewaySettings(),
            now=0,
            verifier=verifier(),
        )

        assert session.next_tick == 30.0
        assert session.ticked(29.0) == []

    def test_changed(self, session: Session) -> None:
        """
        What the app says now counts, from the beginning of the connection.
        """
        session.app = msgspec.structs.replace(session.app, auth_timeout=2.0)

        assert session.ticked(1.9) == []
        assert session.ticked(2.0) == [NOT_KNOWN]
