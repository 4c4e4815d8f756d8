"""What tokens entitle to."""

import json

import pytest

from libs.common.apps.app import App
from libs.common.apps.signatures import BadSignature, channel_text, token, user_text
from libs.common.errors import Denied
from services.gateway.access import rights
from services.gateway.access.rights import Client, NotSignedIn, SignedInOtherwise, tenant_of
from services.gateway.protocol.frames import BadMessage, Member, SignIn, Subscribe, User
from tests.support.tokens.channel_tokens import verifier
from tests.unit.gateway.conftest import SOCKET_ID

VERIFIER = verifier()
ANN = User("ann", '{"name": "Ann"}', ())


def signed(app: App, user_data: str, *, socket_id: str = SOCKET_ID) -> SignIn:
    return SignIn(token(app, user_text(socket_id, user_data)), user_data)


def subscribed(app: App, channel: str, channel_data: str | None = None) -> Subscribe:
    text = channel_text(SOCKET_ID, channel, channel_data)
    return Subscribe(channel, token(app, text), channel_data)


def sign_in(app: App, socket_id: str, data: SignIn, *, known: User | None) -> User:
    """Sign in without a channel token."""
    user, verified = rights.sign_in(Client(app, socket_id, VERIFIER, known, None, None, 0.0), data)
    assert verified is None
    return user


def join(app: App, socket_id: str, data: Subscribe, *, user: User | None) -> Member | None:
    """Join without a channel token."""
    return rights.join(Client(app, socket_id, VERIFIER, user, None, None, 0.0), data).member


class TestSignIn:
    """Pusher, "Authenticating users"."""

    def test_user(self, app: App) -> None:
        """
        Who the signed text names, with what others may know, and whom it watches.
        """
        text = json.dumps({"id": "ann", "user_info": {"name": "Ann"}, "watchlist": ["bob"]})

        user = sign_in(app, SOCKET_ID, signed(app, text), known=None)

        assert user == User("ann", '{"name": "Ann"}', ("bob",))

    def test_again(self, app: App) -> None:
        """
        Signing in again as oneself is allowed.
        """
        assert sign_in(app, SOCKET_ID, signed(app, '{"id":"ann"}'), known=ANN).id == "ann"

    def test_as_another(self, app: App) -> None:
        """
        A connection that is somebody cannot become somebody else.
        """
        with pytest.raises(SignedInOtherwise):
            sign_in(app, SOCKET_ID, signed(app, '{"id":"bob"}'), known=ANN)

    def test_of_another_socket(self, app: App) -> None:
        """
        A token is good for one socket.
        """
        with pytest.raises(BadSignature):
            sign_in(app, SOCKET_ID, signed(app, '{"id":"ann"}', socket_id="9.9"), known=None)

    @pytest.mark.parametrize(
        "user_data", ["", "[]", "{}", '{"id":""}', '{"id":7}', f'{{"id":"{"x" * 129}"}}']
    )
    def test_nobody(self, app: App, user_data: str) -> None:
        """
        Signed text that names nobody is no user; an id is a text, as pusher-js insists.
        """
        with pytest.raises(BadMessage):
            sign_in(app, SOCKET_ID, signed(app, user_data), known=None)


class TestJoin:
    """Pusher, "Authorizing users"."""

    def test_own_channel(self, app: App) -> None:
        """
        The channel of a user is for who is signed in as that user, and needs no token.
        """
        assert join(app, SOCKET_ID, Subscribe("#server-to-user-ann"), user=ANN) is None

    @pytest.mark.parametrize("user", [None, ANN])
    def test_channel_of_another(self, app: App, user: User | None) -> None:
        """
        It is for nobody else.
        """
        with pytest.raises(NotSignedIn):
            join(app, SOCKET_ID, Subscribe("#server-to-user-bob"), user=user)

    def test_member_as_signed_in(self, app: App) -> None:
        """
        Who is signed in joins a presence channel as that user.
        """
        data = subscribed(app, "presence-x")

        assert join(app, SOCKET_ID, data, user=ANN) == Member("ann", '{"name": "Ann"}')

    def test_member_as_said(self, app: App) -> None:
        """
        What the channel's token says of the member goes before the sign-in.
        """
        data = subscribed(app, "presence-x", '{"user_id":"7"}')

        assert join(app, SOCKET_ID, data, user=ANN) == Member("7", "null")

    def test_member_unknown(self, app: App) -> None:
        """
        Somebody must say who joins.
        """
        with pytest.raises(BadMessage):
            join(app, SOCKET_ID, subscribed(app, "presence-x"), user=None)

    def test_without_token(self, app: App) -> None:
        """
        Being signed in is no right to private channels.
        """
        with pytest.raises(Denied):
            join(app, SOCKET_ID, Subscribe("private-x"), user=ANN)


class TestTenantOf:
    """docs/configuration.md, "apps[].tenant": which field of ``user_info`` names the tenant."""

    @pytest.mark.parametrize(
        "info, tenant",
        [
            ('{"company":"acme"}', "acme"),
            ('{"company":7}', "7"),
            ('{"company":"7"}', "7"),
            ('{"company":""}', ""),
            ('{"company":"\\u00fc"}', "ü"),
            ('{"name":"Ann","company":"a","more":{"company":"b"}}', "a"),
        ],
    )
    def test_named(self, info: str, tenant: str) -> None:
        """
        It is a text or a whole number, which count as the same.
        """
        assert tenant_of(User("ann", info, ()), "company") == tenant

    @pytest.mark.parametrize(
        "info",
        [
            *("null", '"acme"', "7", '["company"]', "{}", '{"name":"Ann"}'),
            *('{"company":null}', '{"company":true}', '{"company":1.5}', '{"company":["a"]}'),
            '{"company":1e999}',
        ],
    )
    def test_not_named(self, info: str) -> None:
        """
        What is neither is no tenant, nor is what is not there.
        """
        assert tenant_of(User("ann", info, ()), "company") == ""

    def test_beside_what_cannot_be_read(self) -> None:
        """
        What stands in other fields does not matter.
        """
        info = '{"company":"acme","size":1e999}'

        assert tenant_of(User("ann", info, ()), "company") == "acme"

    def test_no_field(self) -> None:
        """
        Without a field nobody has a tenant.
        """
        assert tenant_of(User("ann", '{"":"acme"}', ()), "") == ""
