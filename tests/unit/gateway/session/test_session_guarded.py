"""Public channels that a policy guards."""

from typing import Any

import pytest

from libs.common.apps.app import App
from libs.common.apps.signatures import token, user_text
from libs.common.tokens.channel_tokens import StaleToken
from services.gateway.access.verifier import Verifier
from services.gateway.protocol.effects import Ask, Leave, Watch
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from tests.support.clients.pusher import subscribe
from tests.support.tokens.channel_tokens import verifier
from tests.unit.gateway.conftest import GRACE, SOCKET_ID
from tests.unit.gateway.conversation import errors, refusal, sent
from tests.unit.gateway.guarded import GUARD, OURS, THEIRS, asked, join, of_tenant, signed
from tests.unit.gateway.tokens import OVER, TTL, command, lost, sign_in, text


@pytest.fixture
def known() -> Verifier:
    return verifier(GUARD, grace=GRACE)


class TestSignedIn:
    """A client that is signed in."""

    def test_user_data(self, session: Session) -> None:
        """What its back end said of it is looked at."""
        session.received(signed(session.app, claims={"tenant": "a"}), now=0)

        assert asked(session.received(subscribe(OURS), now=0)) == [OURS]
        answer = refusal(session.received(subscribe(THEIRS), now=0))
        assert (answer["type"], answer["status"]) == ("AuthError", 403)

    def test_deep_claims(self, session: Session) -> None:
        """Who would be known by claims that nobody can read is not signed in."""
        claims = "[" * 900 + "]" * 900
        data = f'{{"id":"ann","claims":{{"tenant":{claims}}}}}'
        told = session.received(
            sign_in(token(session.app, user_text(SOCKET_ID, data)), data), now=0
        )

        (error,) = (frame for frame in sent(told) if frame["event"] == "pusher:error")
        assert "nested deeper than 64 levels" in error["data"]["message"]

    @pytest.mark.parametrize("claims", [None, [], "x", {}, {"tenant": ["a"]}])
    def test_other_claims(self, session: Session, claims: Any) -> None:
        """Whatever else stands there is a no."""
        session.received(signed(session.app, claims=claims), now=0)

        assert refusal(session.received(subscribe(OURS), now=0))["status"] == 403

    def test_token(self, session: Session) -> None:
        session.received(sign_in(of_tenant("a")), now=0)

        assert asked(session.received(subscribe(OURS), now=0)) == [OURS]
        assert refusal(session.received(subscribe(THEIRS), now=0))["status"] == 403

    def test_open_channel(self, session: Session) -> None:
        """A public channel that no policy fits is open, whoever asks."""
        assert session.received(subscribe("news"), now=0) == [Ask("news", None)]

    def test_ends(self, session: Session) -> None:
        """With the token that says who it is ends what its claims opened."""
        session.received(sign_in(of_tenant("a")), now=0)
        join(session, OURS)

        effects = session.ticked(OVER)

        assert effects[0] == Leave(OURS)
        assert [frame["event"] for frame in sent(effects)] == [
            "pusher:subscription_error",
            "pusher:error",
        ]

    def test_expired(self, session: Session) -> None:
        """In its grace it opens nothing new."""
        session.received(sign_in(of_tenant("a")), now=0)

        assert refusal(session.received(subscribe(OURS), now=TTL))["status"] == 401


class TestAnew:
    """A client that signs in again."""

    def test_renewed(self, session: Session) -> None:
        """With a newer token it stays as long as that is good."""
        session.received(sign_in(of_tenant("a")), now=0)
        join(session, OURS)

        effects = session.received(sign_in(of_tenant("a", at=TTL)), now=TTL)

        assert [frame["event"] for frame in sent(effects)] == ["pusher:signin_success"]
        assert session.ticked(OVER) == []

    @pytest.mark.parametrize("first", ["token", "user_data"])
    def test_lost(self, session: Session, first: str) -> None:
        """What it may not join any more it loses at once."""
        if first == "token":
            session.received(sign_in(of_tenant("a")), now=0)
        else:
            session.received(signed(session.app, claims={"tenant": "a"}), now=0)
        join(join(session, OURS), "news")

        effects = session.received(signed(session.app, claims={"tenant": "b"}), now=1)

        assert [effect for effect in effects if isinstance(effect, Leave)] == [Leave(OURS)]
        assert sent(effects)[-1]["data"]["status"] == 403

    def test_private(self, session: Session) -> None:
        """Its private channels have rights of their own."""
        session.received(sign_in(text("private-x")), now=0)
        join(session, "private-x", text("private-x"))

        effects = session.received(sign_in(text("private-y")), now=1)

        assert [effect for effect in effects if isinstance(effect, Leave)] == []

    def test_shown(self, session: Session) -> None:
        """A token that it showed for a channel counts on its own."""
        join(session, OURS, of_tenant("a"))
        session.received(signed(session.app, claims={"tenant": "b"}), now=1)

        assert lost(session.ticked(OVER), OURS)["status"] == 401


class TestToken:
    """A channel token, shown for a guarded channel or at connect."""

    def test_shown(self, session: Session) -> None:
        """Its claims are looked at."""
        join(session, OURS, of_tenant("a"))

        assert refusal(session.received(subscribe(THEIRS, auth=of_tenant("a")), now=0))

    def test_named(self, session: Session, known: Verifier) -> None:
        """What it names it opens, and its user may be taken out, as everywhere."""
        join(session, THEIRS, text(THEIRS))

        expulsion = known.expel(command("expel", "ann", "products.*"), now=0)
        assert lost(session.expelled("ann", expulsion), THEIRS)["status"] == 403

    def test_bad(self, session: Session) -> None:
        assert refusal(session.received(subscribe(OURS, auth="a.b.c"), now=0))["status"] == 401

    def test_carried(self, app: App, known: Verifier, settings: GatewaySettings) -> None:
        verified = known.accept(of_tenant("a"), app, now=0)
        session = Session(app, SOCKET_ID, settings, now=0, verifier=known, carried=verified)

        join(session, OURS)
        assert refusal(session.received(subscribe(THEIRS), now=0))["status"] == 403
        assert refusal(session.received(subscribe(OURS), now=TTL))["status"] == 401

    def test_carried_and_signed_in(
        self, app: App, known: Verifier, settings: GatewaySettings
    ) -> None:
        """What it names it goes on to open when the client has signed in; else the sign-in counts."""
        verified = known.accept(text("products.x", claims={"tenant": "b"}), app, now=0)
        session = Session(app, SOCKET_ID, settings, now=0, verifier=known, carried=verified)
        session.received(signed(app, claims={"tenant": "a"}), now=0)

        join(join(session, "products.x"), OURS)
        assert refusal(session.received(subscribe(THEIRS), now=0))["status"] == 403
        assert refusal(session.received(subscribe("products.x"), now=TTL))["status"] == 403

    def test_stale(self, app: App, known: Verifier, settings: GatewaySettings) -> None:
        """One that has expired at connect is told of, and counts for nothing."""
        stale = known.carried(of_tenant("a"), app, now=TTL)
        assert isinstance(stale, StaleToken)

        session = Session(app, SOCKET_ID, settings, now=TTL, verifier=known, carried=stale)

        assert errors(session.opened()) == [4009]
        assert session.received(subscribe(OURS), now=TTL) == [Watch()]
