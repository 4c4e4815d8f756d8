"""Signing in, as a session sees it."""

import json

import msgspec
import pytest

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.apps.signatures import token, user_text
from services.gateway.access.verifier import Verifier
from services.gateway.protocol.effects import Ask, Effect, Leave, Send, SignedIn, Withdraw
from services.gateway.protocol.frames import User
from services.gateway.session.own_channel import PATIENCE
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from tests.support.clients.client import SUCCEEDED
from tests.support.clients.pusher import subscribe, unsubscribe
from tests.unit.gateway.conftest import SOCKET_ID
from tests.unit.gateway.conversation import errors, refusal, sent

OWN = "#server-to-user-ann"
SIGNED_IN = "pusher:signin_success"


@pytest.fixture
def plain(app: App, settings: GatewaySettings, known: Verifier) -> Session:
    """Return one that waits for the answers of its gateway."""
    return Session(app, SOCKET_ID, settings, now=0.0, verifier=known)


@pytest.fixture
def waiting(plain: Session) -> Session:
    """Return one that has signed in, and waits for its own channel."""
    effects = plain.received(signed(plain, '{"id":"ann"}'), now=0)
    assert [effect for effect in effects if isinstance(effect, Ask)] == [Ask(OWN, None)]
    assert told(effects) == []
    return plain


def told(effects: list[Effect]) -> list[str]:
    return [frame["event"] for frame in sent(effects)]


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
        After it the client is in its user's own channel: a subscribe, as pusher-js sends it, is only confirmed.
        """
        session.received(signed(session, '{"id":"ann"}'), now=0)

        (told,) = sent(session.received(subscribe(OWN), now=0))
        assert (told["event"], told["channel"]) == (SUCCEEDED, OWN)
        assert refusal(session.received(subscribe("#server-to-user-bob"), now=0))["status"] == 401


class TestOwnChannel:
    """The client is in its user's own channel before it hears that it is signed in."""

    def test_before_it_is_told(self, waiting: Session) -> None:
        assert told(waiting.admitted(OWN, None)) == [SIGNED_IN]

        assert waiting.ticked(PATIENCE) == []

    def test_nobody_waits_for_ever(self, waiting: Session) -> None:
        """
        Where it cannot be entered in time the client is told all the same, once, and enters later.
        """
        assert waiting.next_tick == PATIENCE
        assert told(waiting.ticked(PATIENCE - 1)) == []
        assert told(waiting.ticked(PATIENCE)) == [SIGNED_IN]
        assert waiting.next_tick > PATIENCE

        assert waiting.admitted(OWN, None) == []
        assert told(waiting.received(subscribe(OWN), now=3)) == [SUCCEEDED]

    def test_no_longer(self, waiting: Session) -> None:
        """
        It is told before its time where the connection is about to be closed; once.
        """
        assert told(waiting.sign_in_told()) == [SIGNED_IN]

        assert waiting.sign_in_told() == []
        assert waiting.admitted(OWN, None) == []

    def test_subscribes_meanwhile(self, waiting: Session) -> None:
        """
        Who asks for it while it is being entered is confirmed when it is.
        """
        assert waiting.received(subscribe(OWN), now=0) == []

        assert told(waiting.admitted(OWN, None)) == [SIGNED_IN, SUCCEEDED]

    def test_twice(self, waiting: Session) -> None:
        """
        Signed in twice it is asked for once, and whoever is in it is answered at once.
        """
        again = waiting.received(signed(waiting, '{"id":"ann"}'), now=1)
        assert [effect for effect in again if isinstance(effect, Ask | Send)] == []
        assert waiting.next_tick == PATIENCE
        assert told(waiting.admitted(OWN, None)) == [SIGNED_IN]

        assert told(waiting.received(signed(waiting, '{"id":"ann"}'), now=1)) == [SIGNED_IN]

    def test_unsubscribed(self, waiting: Session) -> None:
        """
        Who leaves it is out of it until the next sign-in or subscribe.
        """
        waiting.admitted(OWN, None)

        assert waiting.received(unsubscribe(OWN), now=1) == [Leave(OWN)]
        assert Ask(OWN, None) in waiting.received(signed(waiting, '{"id":"ann"}'), now=1)

    def test_unsubscribed_before(self, waiting: Session) -> None:
        assert waiting.received(unsubscribe(OWN), now=1) == [Withdraw(OWN)]

        success, _, left = waiting.admitted(OWN, None)

        assert told([success]) == [SIGNED_IN]
        assert left == Leave(OWN)

    def test_gone(self, waiting: Session) -> None:
        """
        Of a client that has gone nothing waits, and the answer that comes late takes it off again.
        """
        assert waiting.closed() == []

        assert waiting.admitted(OWN, None) == [Leave(OWN, returns=True)]

    def test_takes_no_place(self, waiting: Session) -> None:
        """
        The channel does not count for the limit, neither before nor after it is subscribed to.
        """
        waiting.admitted(OWN, None)
        waiting.received(subscribe(OWN), now=1)

        for number in range(waiting.app.limits.channels):
            assert waiting.received(subscribe(f"a{number}"), now=1) == [Ask(f"a{number}", None)]
        assert refusal(waiting.received(subscribe("b"), now=1))["type"] == "LimitReached"
        assert told(waiting.received(subscribe(OWN), now=1)) == [SUCCEEDED]

    def test_no_room_left(self, plain: Session) -> None:
        """
        Also who has as many channels as it may have is in its own after it signed in.
        """
        for number in range(plain.app.limits.channels):
            plain.received(subscribe(f"a{number}"), now=0)

        assert Ask(OWN, None) in plain.received(signed(plain, '{"id":"ann"}'), now=0)

    @pytest.mark.parametrize("user", ["Zoë", "auth0|5f", "a b", "a" * 128])
    def test_any_name(self, plain: Session, user: str) -> None:
        """
        Whoever may sign in has a channel, however long names of others may be.
        """
        plain.app = msgspec.structs.replace(plain.app, limits=Limits(channel_name=100))

        effects = plain.received(signed(plain, json.dumps({"id": user})), now=0)

        assert Ask(f"#server-to-user-{user}", None) in effects
