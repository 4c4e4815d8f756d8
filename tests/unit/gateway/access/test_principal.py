"""Who a client is, by what right it is in its channels, and what ends that."""

import json
from math import inf

import pytest

from libs.common.apps.app import App
from libs.common.apps.signatures import channel_text, token, user_text
from libs.common.control.commands import Command
from libs.common.policies.settings import ChannelPolicy
from services.gateway.access.principal import Principal
from services.gateway.access.rights import RefusedByGuard, SignedInOtherwise
from services.gateway.access.verifier import Verified, Verifier
from services.gateway.protocol.effects import NOBODYS, BelongsTo, KnownAs, Shows, Watch
from services.gateway.protocol.frames import SignIn, Subscribe
from tests.support.tokens.channel_tokens import channel_token, verifier
from tests.unit.gateway.conftest import GRACE, SOCKET_ID

TTL = 20.0
GUARD = ChannelPolicy(app="1", pattern="products.{tenant}", allow="claims.tenant == tenant")


@pytest.fixture
def known() -> Verifier:
    return verifier(GUARD, grace=GRACE)


@pytest.fixture
def principal(known: Verifier) -> Principal:
    return Principal(SOCKET_ID, known, None)


def text(*channels: str, user: str = "ann", tenant: str = "a") -> str:
    claims = {"tenant": tenant}
    return channel_token(user, *(channels or ("*",)), now=0.0, ttl=TTL, claims=claims)[0]


def signed(app: App, user: str = "ann") -> SignIn:
    """Return a sign-in of Pusher's kind."""
    data = json.dumps({"id": user})
    return SignIn(token(app, user_text(SOCKET_ID, data)), data)


def accepted(known: Verifier, app: App, shown: str) -> Verified:
    return known.accept(shown, app, now=0.0)


def join(principal: Principal, app: App, channel: str, auth: str | None = None) -> list[object]:
    """Join a channel, and return what is said of it."""
    admittance = principal.join(app, Subscribe(channel, auth), now=0.0)
    return [*principal.put(channel, admittance.grant)]


class TestOpened:
    """What a client brings along."""

    def test_nothing(self, principal: Principal) -> None:
        assert principal.opened() == []
        assert principal.ends_at == inf

    def test_token(self, known: Verifier, app: App) -> None:
        """The token it connects with says for whom it acts; it signs nobody in."""
        carried = accepted(known, app, text())
        principal = Principal(SOCKET_ID, known, carried)

        assert principal.opened() == [KnownAs("ann"), Shows(frozenset({carried.token.jti}))]
        assert set(principal.tokens) == {carried.token.jti}
        assert principal.user is None
        assert principal.belongs() == [BelongsTo("ann", "")]
        assert principal.ends_at == TTL + GRACE


class TestSignIn:
    """As whom it acts."""

    def test_pusher(self, principal: Principal, app: App) -> None:
        """A sign-in of Pusher's kind names a user, shows no token and does not end."""
        assert principal.sign_in(app, signed(app), now=0.0) == []

        assert principal.signed_in() == [KnownAs("ann"), Watch()]
        assert principal.user is not None
        assert not principal.is_signed_in_by_token
        assert principal.ends_at == inf

    def test_token(self, principal: Principal, app: App) -> None:
        """One by a token ends with that token's grace; a judgement of the token is one of the sign-in."""
        principal.sign_in(app, SignIn(text()), now=0.0)

        known, shows, watch = principal.signed_in()
        assert (known, watch) == (KnownAs("ann"), Watch())
        assert shows == Shows(frozenset(principal.tokens))
        assert principal.is_signed_in_by_token
        assert principal.ends_at == TTL + GRACE
        assert principal.is_signed_in_by(lambda verified: verified.token.user == "ann")
        assert not principal.is_signed_in_by(lambda verified: verified.token.user == "bob")

    def test_another_user(self, principal: Principal, app: App) -> None:
        """A connection stays its user's, until that is undone."""
        principal.sign_in(app, signed(app), now=0.0)
        with pytest.raises(SignedInOtherwise):
            principal.sign_in(app, signed(app, "bob"), now=0.0)
        undone = principal.sign_out()
        principal.sign_in(app, signed(app, "bob"), now=0.0)

        assert undone is not None
        assert (undone.id, principal.user and principal.user.id) == ("ann", "bob")
        assert list(principal.known_as) == []
        assert principal.signed_in() == [KnownAs("bob"), Watch()]


class TestGrants:
    """By what right it is in its channels."""

    def test_of_a_token(self, principal: Principal, app: App) -> None:
        """The first token for a user says who it is; a further one says that tokens changed, and no more."""
        first = join(principal, app, "private-1", text("private-1"))
        (before,) = principal.tokens
        second = join(principal, app, "private-2", text("private-2"))

        assert first == [KnownAs("ann"), Shows(frozenset({before})), Watch()]
        assert second == [Shows(frozenset(principal.tokens) - {before}), Watch()]
        assert len(principal.tokens) == 2
        assert principal.ends_at == TTL + GRACE

    def test_of_a_back_end(self, principal: Principal, app: App) -> None:
        """Pusher's permission names a member of a presence channel, else nobody, and does not end."""
        data = json.dumps({"user_id": "ann"})
        auth = token(app, channel_text(SOCKET_ID, "presence-1", data))
        admittance = principal.join(app, Subscribe("presence-1", auth, data), now=0.0)
        private = token(app, channel_text(SOCKET_ID, "private-1"))

        assert principal.put("presence-1", admittance.grant) == [KnownAs("ann")]
        assert join(principal, app, "private-1", private) == []
        assert principal.ends_at == inf

    def test_left(self, principal: Principal, app: App) -> None:
        """What it left, or all that it left, ends no more."""
        for channel in ("private-1", "private-2"):
            join(principal, app, channel, text(channel))
        principal.drop("private-1")

        assert principal.opened_by(lambda _: True) == ["private-2"]
        principal.clear()
        assert principal.opened_by(lambda _: True) == []
        assert principal.ends_at == inf

    def test_public(self, principal: Principal, app: App) -> None:
        """A channel that takes no permission has none, whatever it had before."""
        join(principal, app, "private-1", text())

        assert principal.put("private-1", None) == []
        assert principal.opened_by(lambda _: True) == []

    def test_expelled(self, principal: Principal, known: Verifier, app: App) -> None:
        """An expulsion takes its user out of the channels it means, of what was given before it."""
        for channel in ("private-1", "private-2"):
            join(principal, app, channel, text())
        command = Command("expel", "1", "ann", 5.0, 600.0, channels=("private-1",))
        expulsion = known.expel(command, now=5.0)

        assert principal.expelled("ann", expulsion) == ["private-1"]
        assert principal.expelled("bob", expulsion) == []


class TestRejudged:
    """Guarded channels, when the client signs in anew."""

    def test_same(self, principal: Principal, app: App) -> None:
        """A sign-in that says the same changes nothing; one by a token says something else each time."""
        principal.sign_in(app, signed(app), now=0.0)
        principal.put("products.a", None)

        assert principal.sign_in(app, signed(app), now=0.0) == []

    def test_lost(self, principal: Principal, app: App) -> None:
        """What the earlier sign-in opened is judged by the later one: kept, or lost with the reason."""
        principal.sign_in(app, SignIn(text("private-x")), now=0.0)
        join(principal, app, "products.a")
        join(principal, app, "private-x", text("private-x"))

        same = principal.sign_in(app, SignIn(text("private-x")), now=0.0)
        kept = principal.rejudged(app, same, now=0.0)
        other = principal.sign_in(app, SignIn(text("private-x", tenant="b")), now=0.0)
        lost = principal.rejudged(app, other, now=0.0)

        assert same == other == ["products.a"]
        assert kept == []
        ((channel, why),) = lost
        assert channel == "products.a"
        assert isinstance(why, RefusedByGuard)


class TestBelongs:
    """Whose the connection is; `Whose` has the rule."""

    def test_grant(self, principal: Principal, app: App) -> None:
        """What auth or a back end grants says it, and the member of a presence channel its device."""
        data = json.dumps({"user_id": "ann"})
        auth = token(app, channel_text(SOCKET_ID, "presence-1", data))
        admittance = principal.join(app, Subscribe("presence-1", auth, data), now=0.0)
        principal.put("presence-1", admittance.grant, info='{"device":"phone"}')

        assert principal.belongs() == [BelongsTo("ann", "phone")]
        principal.drop("presence-1")
        assert principal.belongs() == []

    def test_signed_out(self, principal: Principal, app: App) -> None:
        """A sign-in counts until it is undone; a token until it ends."""
        join(principal, app, "private-1", text())
        principal.sign_in(app, signed(app, "bob"), now=0.0)
        assert principal.belongs() == [BelongsTo("bob", "")]
        assert principal.owner == "bob"

        principal.sign_out()
        assert principal.belongs() == [BelongsTo("ann", "")]
        assert principal.owner == "ann"
        principal.end(lambda _: True)
        assert principal.belongs() == [NOBODYS]
        assert not principal.owner
