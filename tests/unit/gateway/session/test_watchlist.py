"""Whom a client that signs in wants to be told of."""

import json

import msgspec
import pytest

from libs.common.apps.app import App
from libs.common.apps.signatures import token, user_text
from services.gateway.protocol.effects import Effect, Send, WatchUsers
from services.gateway.session.own_channel import PATIENCE
from services.gateway.session.session import Session
from services.gateway.session.watchlist import MOST_WATCHED
from services.gateway.settings import GatewaySettings
from tests.support.tokens.channel_tokens import channel_token, verifier
from tests.unit.gateway.conftest import SOCKET_ID
from tests.unit.gateway.conversation import errors, sent
from tests.unit.gateway.tokens import TTL


@pytest.fixture
def app(app: App) -> App:
    return msgspec.structs.replace(app, watchlists=True)


def signed(session: Session, *watchlist: str) -> str:
    user_data = json.dumps({"id": "ann", "watchlist": watchlist})
    auth = token(session.app, user_text(SOCKET_ID, user_data))
    return json.dumps({"event": "pusher:signin", "data": {"auth": auth, "user_data": user_data}})


def watched(effects: list[Effect]) -> tuple[str, ...]:
    (found,) = [effect.user_ids for effect in effects if isinstance(effect, WatchUsers)]
    return found


class TestSignIn:
    """``watchlist`` in ``user_data``."""

    def test_after_the_answer(self, session: Session) -> None:
        """
        The client is told of them after it heard that it is signed in.
        """
        answer = session.received(signed(session, "bob", "cat"), now=0)

        (told,) = [effect for effect in answer if isinstance(effect, Send)]
        assert answer.index(told) < answer.index(WatchUsers(("bob", "cat")))

    def test_waits_for_the_answer(self, app: App) -> None:
        plain = Session(app, SOCKET_ID, GatewaySettings(), now=0.0, verifier=verifier())
        asked = plain.received(signed(plain, "bob"), now=0)
        assert not any(isinstance(effect, WatchUsers) for effect in asked)

        assert watched(plain.ticked(PATIENCE)) == ("bob",)

    def test_what_is_no_user(self, session: Session) -> None:
        """
        Whoever is named twice is watched once, and what can be no user's id is left out.
        """
        effects = session.received(signed(session, "bob", "", "bob", "a\nb", "x" * 129), now=0)

        assert watched(effects) == ("bob",)
        assert errors(effects) == []

    def test_too_many(self, session: Session) -> None:
        """
        The first hundred are watched; the client hears that the others are not, and is signed in.
        """
        users = [f"u{number}" for number in range(MOST_WATCHED + 1)]

        effects = session.received(signed(session, *users), now=0)

        assert watched(effects) == tuple(users[:MOST_WATCHED])
        events = [frame["event"] for frame in sent(effects)]
        assert events == ["pusher:signin_success", "pusher:error"]
        assert errors(effects) == [4302]

    def test_anew(self, session: Session) -> None:
        """
        The last list counts, also an empty one.
        """
        session.received(signed(session, "bob"), now=0)

        assert watched(session.received(signed(session), now=1)) == ()

    def test_switched_off(self, session: Session) -> None:
        session.app = msgspec.structs.replace(session.app, watchlists=False)

        assert watched(session.received(signed(session, "bob"), now=0)) == ()

    def test_by_token(self, session: Session) -> None:
        """
        A channel token names nobody to watch: who signs in anew by one is told of nobody any more.
        """
        session.received(signed(session, "bob"), now=0)
        auth, _ = channel_token("ann", "*", now=0.0, ttl=TTL)
        data = {"event": "pusher:signin", "data": {"auth": auth}}

        assert watched(session.received(json.dumps(data), now=1)) == ()
