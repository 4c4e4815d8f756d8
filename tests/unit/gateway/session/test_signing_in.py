"""Signing in, as a session sees it."""

import json

from libs.common.apps.signatures import token, user_text
from services.gateway.protocol.effects import Ask, SignedIn
from services.gateway.protocol.frames import User
from services.gateway.session.session import Session
from tests.support.clients.pusher import subscribe
from tests.unit.gateway.conftest import SOCKET_ID
from tests.unit.gateway.conversation import errors, refusal, sent


def signed(session: Session, user_data: str) -> str:
    auth = token(session.app, user_text(SOCKET_ID, user_data))
    data = {"auth": auth, "user_data": user_data}
    return json.dumps({"event": "pusher:signin", "data": data})


class TestSignIn:
    """docs/protocol.md, "User authentication"."""

    def test_success(self, session: Session) -> None:
        """
        The answer holds the signed text, as pusher-js reads it.
        """
        effects = session.received(signed(session, '{"id":"ann"}'), now=0)

        assert effects[0] == SignedIn(User("ann", "null", ()))
        (message,) = sent(effects)
        assert message["event"] == "pusher:signin_success"
        assert message["data"] == {"user_data": '{"id":"ann"}'}

    def test_refused(self, session: Session) -> None:
        """
        A bad token is told with 4009, and the connection stays.
        """
        frame = signed(session, '{"id":"ann"}').replace("ann", "bob")

        effects = session.received(frame, now=0)

        assert errors(effects) == [4009]
        assert len(effects) == 1
        assert session.user is None

    def test_own_channel(self, session: Session) -> None:
        """
        After it the user's own channel is open, which pusher-js subscribes to by itself.
        """
        session.received(signed(session, '{"id":"ann"}'), now=0)

        assert session.received(subscribe("#server-to-user-ann"), now=0) == [
            Ask("#server-to-user-ann", None)
        ]
        assert refusal(session.received(subscribe("#server-to-user-bob"), now=0))["status"] == 401
