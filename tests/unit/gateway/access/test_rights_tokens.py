"""What channel tokens entitle to, and what ends the permissions of Pusher's kind."""

import json
from typing import Any

import msgspec
import pytest

from libs.common.apps.app import App
from libs.common.apps.signatures import BadSignature, channel_text, grant_token, token, user_text
from libs.common.control.commands import Command
from libs.common.errors import Denied
from libs.common.tokens.channel_tokens import StaleToken
from libs.common.tokens.expulsions import Expelled
from libs.common.tokens.key_ring import BadChannelToken
from services.gateway.access import rights
from services.gateway.access.grants import Grant
from services.gateway.access.rights import Admittance, Client, NotSignedIn, SignedInOtherwise
from services.gateway.access.verifier import NotNamed, Verified, Verifier
from services.gateway.protocol.frames import BadMessage, Member, SignIn, Subscribe, User
from tests.support.tokens.channel_tokens import channel_token, verifier
from tests.unit.gateway.conftest import SOCKET_ID

NOW = 1000.0
ANN = User("ann", "null", ())


@pytest.fixture
def known() -> Verifier:
    return verifier()


def client(
    app: App, known: Verifier, *, user: User | None = None, carried: Verified | None = None
) -> Client:
    return Client(app, SOCKET_ID, known, user, None, carried, NOW)


def text_for(*channels: str, at: float = NOW, **more: Any) -> str:
    return channel_token("ann", *channels, now=at, **more)[0]


def expel(known: Verifier, *channels: str, at: float = NOW) -> None:
    known.expel(Command("expel", "1", "ann", at, at + 600, channels=channels), now=NOW)


def granted(app: App, channel: str, channel_data: str | None = None) -> Subscribe:
    """Return what a back end gives a client."""
    auth = token(app, channel_text(SOCKET_ID, channel, channel_data))
    return Subscribe(channel, auth, channel_data)


def held(app: App, channel: str, user: str = "ann", *, at: float = NOW) -> Subscribe:
    """Return what auth gives a client."""
    holder = json.dumps({"user_id": user, "iat": at})
    return Subscribe(channel, grant_token(app, SOCKET_ID, channel=channel, holder=holder))


ROOMS = ("private-1", "private-cache-1", "private-encrypted-1", "private-encrypted-cache-1")
PASSED_ON = (None, "", "no JSON", "{}", '{"user_id":"bob","iat":9e9}', "\u00e9")


class TestJoin:
    """A token in ``auth``."""

    @pytest.mark.parametrize(
        "channel", ["private-1", "private-encrypted-1", "private-cache-1", "private-a.b"]
    )
    def test_private(self, app: App, known: Verifier, channel: str) -> None:
        """It opens what it names, for its user."""
        entry = rights.join(client(app, known), Subscribe(channel, text_for("private-*")))

        assert entry.member is None
        assert entry.grant is not None
        assert (entry.grant.user, entry.grant.given_at) == ("ann", NOW)

    @pytest.mark.parametrize("info, shown", [({"n": "A"}, '{"n":"A"}'), ({}, "null")])
    def test_presence(self, app: App, known: Verifier, info: dict[str, str], shown: str) -> None:
        """Its user is the member, whatever the client says beside it."""
        text = text_for("presence-1", user_info=info)
        data = Subscribe("presence-1", text, '{"user_id":"root"}')

        assert rights.join(client(app, known), data).member == Member("ann", shown)

    @pytest.mark.parametrize("channel", ["private-2", "presence-1", "private-11"])
    def test_not_named(self, app: App, known: Verifier, channel: str) -> None:
        """What it does not name it does not open, though it is good: that is a 403."""
        with pytest.raises(NotNamed) as caught:
            rights.join(client(app, known), Subscribe(channel, text_for("private-1")))

        assert caught.value.status == 403

    def test_user_channel(self, app: App, known: Verifier) -> None:
        """A user's own channel takes a sign-in."""
        with pytest.raises(NotSignedIn):
            rights.join(client(app, known), Subscribe("#server-to-user-ann", text_for("*")))

    def test_public(self, app: App, known: Verifier) -> None:
        """Of a public channel nothing is asked, and nothing ends it."""
        assert rights.join(client(app, known), Subscribe("news", "a.b.c")) == Admittance(None, None)

    @pytest.mark.parametrize(
        "text",
        [
            "a.b.c",
            text_for("*")[:-4],
            text_for("*", app="2"),
            text_for("*", at=NOW - 100, ttl=100),
            text_for("*", at=NOW + 100),
        ],
        ids=["nonsense", "cut", "other app", "expired", "future"],
    )
    def test_bad(self, app: App, known: Verifier, text: str) -> None:
        """Tokens that are not good here and now are a 401."""
        with pytest.raises(BadChannelToken) as caught:
            rights.join(client(app, known), Subscribe("private-1", text))

        assert caught.value.status == 401

    def test_expelled(self, app: App, known: Verifier) -> None:
        """One that is older than its user's expulsion opens the channel no more; a newer one does."""
        expel(known, "private-1")
        who = client(app, known)

        with pytest.raises(Expelled):
            rights.join(who, Subscribe("private-1", text_for("private-*")))
        assert rights.join(who, Subscribe("private-2", text_for("private-*"))).grant
        assert rights.join(who, Subscribe("private-1", text_for("private-*", at=NOW + 1))).grant


class TestCarried:
    """A token that the client connected with."""

    def carried(self, app: App, known: Verifier, *channels: str, at: float = NOW) -> Verified:
        return known.accept(text_for(*channels, at=at, ttl=100), app, now=at)

    @pytest.mark.parametrize("auth", ["", None])
    def test_used(self, app: App, known: Verifier, auth: str | None) -> None:
        """It counts where no other permission is shown."""
        who = client(app, known, carried=self.carried(app, known, "presence-1"))

        entry = rights.join(who, Subscribe("presence-1", auth))

        assert entry.member == Member("ann", "null")

    def test_other(self, app: App, known: Verifier) -> None:
        """What is shown is what counts."""
        who = client(app, known, carried=self.carried(app, known, "private-1"))

        with pytest.raises(Denied):
            rights.join(who, Subscribe("private-1", "app-key:0"))
        with pytest.raises(NotNamed):
            rights.join(who, Subscribe("private-1", text_for("private-2")))
        assert rights.join(who, granted(app, "private-3")).grant is None

    def test_expired(self, app: App, known: Verifier) -> None:
        """Once it has expired it opens nothing, though the connection stays."""
        who = client(app, known, carried=self.carried(app, known, "private-1", at=NOW - 100))

        with pytest.raises(StaleToken):
            rights.join(who, Subscribe("private-1", ""))

    def test_none(self, app: App, known: Verifier) -> None:
        with pytest.raises(Denied):
            rights.join(client(app, known), Subscribe("private-1", ""))


class TestSignIn:
    """A token in ``pusher:signin``."""

    def test_user(self, app: App, known: Verifier) -> None:
        """It says by itself who the user is; ``user_data`` is not read."""
        data = SignIn(text_for(user_info={"n": "A"}), '{"id":"root"}')

        user, verified = rights.sign_in(client(app, known), data)

        assert user == User("ann", '{"n":"A"}', ())
        assert verified is not None
        assert verified.token.user == "ann"

    def test_as_another(self, app: App, known: Verifier) -> None:
        who = client(app, known, user=User("bob", "null", ()))

        with pytest.raises(SignedInOtherwise):
            rights.sign_in(who, SignIn(text_for()))

    def test_again(self, app: App, known: Verifier) -> None:
        """As oneself, with a token after a signature, and the other way round."""
        who, text = client(app, known, user=ANN), '{"id":"ann"}'

        assert rights.sign_in(who, SignIn(text_for()))[1]
        signed = SignIn(token(app, user_text(SOCKET_ID, text)), text)
        assert rights.sign_in(who, signed)[1] is None

    def test_bad(self, app: App, known: Verifier) -> None:
        with pytest.raises(BadChannelToken):
            rights.sign_in(client(app, known), SignIn(text_for(app="2")))

    def test_without_user_data(self, app: App, known: Verifier) -> None:
        """Pusher's kind needs it."""
        with pytest.raises(BadMessage):
            rights.sign_in(client(app, known), SignIn("app-key:0"))


class TestGranted:
    """Permissions of auth, which say whose they are and of when."""

    @pytest.mark.parametrize("channel", ROOMS)
    @pytest.mark.parametrize("passed_on", PASSED_ON)
    def test_passed_on(
        self, app: App, known: Verifier, channel: str, passed_on: str | None
    ) -> None:
        """Whatever a client passes on beside it, it lets in the same, of the same instant."""
        data = msgspec.structs.replace(held(app, channel, at=NOW - 5), channel_data=passed_on)

        entry = rights.join(client(app, known), data)

        assert entry == Admittance(None, Grant("ann", NOW - 5))

    @pytest.mark.parametrize("channel", ROOMS)
    @pytest.mark.parametrize("passed_on", PASSED_ON)
    def test_removed(self, app: App, known: Verifier, channel: str, passed_on: str | None) -> None:
        """After a removal an old one is refused on its connection, and a newer one is taken."""
        old, new = held(app, channel, at=NOW - 5), held(app, channel, at=NOW - 0.5)
        expel(known, channel, at=NOW - 1)

        with pytest.raises(Expelled) as caught:
            rights.join(client(app, known), msgspec.structs.replace(old, channel_data=passed_on))

        assert caught.value.status == 403
        assert rights.join(client(app, known), new).grant

    def test_of_another(self, app: App, known: Verifier) -> None:
        """Others' stay good."""
        expel(known, "private-1")

        assert rights.join(client(app, known), held(app, "private-1", "bob")).grant

    @pytest.mark.parametrize("channel", ["private-2", "presence-1"])
    def test_elsewhere(self, app: App, known: Verifier, channel: str) -> None:
        """It is good for the channel that it was made for, and for no presence channel."""
        data = msgspec.structs.replace(
            held(app, "private-1"), channel=channel, channel_data='{"user_id":"ann"}'
        )

        with pytest.raises(BadSignature):
            rights.join(client(app, known), data)

    def test_on_presence(self, app: App, known: Verifier) -> None:
        """A presence channel takes Pusher's kind alone, which says who joins."""
        data = msgspec.structs.replace(held(app, "presence-1"), channel_data='{"user_id":"root"}')

        with pytest.raises(BadSignature):
            rights.join(client(app, known, user=ANN), data)


class TestOfABackEnd:
    """Pusher's kind of permission outside presence channels: nothing is signed but the channel."""

    @pytest.mark.parametrize("channel", ROOMS)
    @pytest.mark.parametrize("passed_on", PASSED_ON)
    def test_passed_on(
        self, app: App, known: Verifier, channel: str, passed_on: str | None
    ) -> None:
        """What a client passes on beside it is not looked at: nobody has signed it."""
        expel(known, channel)
        data = msgspec.structs.replace(granted(app, channel), channel_data=passed_on)

        assert rights.join(client(app, known), data) == Admittance(None, None)

    def test_on_presence(self, app: App, known: Verifier) -> None:
        """In presence channels it says who joins, so it must be signed."""
        data = msgspec.structs.replace(granted(app, "presence-1"), channel_data='{"user_id":"x"}')

        with pytest.raises(BadSignature):
            rights.join(client(app, known, user=ANN), data)


class TestHolder:
    """Whose Pusher's kind of permission is, and of when."""

    @pytest.mark.parametrize("channel", [*ROOMS, "presence-1"])
    def test_of_the_last_release(self, app: App, known: Verifier, channel: str) -> None:
        """Auth said both in what it signed; what is left of that opens nothing."""
        data = granted(app, channel, json.dumps({"user_id": "ann", "iat": NOW - 5.0}))

        assert rights.join(client(app, known), data).grant == Grant("ann", NOW - 5)
        with pytest.raises(BadSignature):
            rights.join(
                client(app, known, user=ANN), msgspec.structs.replace(data, channel_data=None)
            )

    def test_of_auth(self, app: App, known: Verifier) -> None:
        """An old one is refused once its user was taken out, and a fresh one is not."""
        data = granted(app, "private-1", json.dumps({"user_id": "ann", "iat": NOW - 5.0}))
        entry = rights.join(client(app, known), data)
        assert entry.grant is not None
        assert (entry.grant.user, entry.grant.given_at) == ("ann", NOW - 5)

        expel(known, "private-1", at=NOW - 1)

        with pytest.raises(Expelled) as caught:
            rights.join(client(app, known), data)
        assert caught.value.status == 403
        fresh = granted(app, "private-1", json.dumps({"user_id": "ann", "iat": NOW - 0.5}))
        assert rights.join(client(app, known), fresh).grant

    def test_of_a_back_end(self, app: App, known: Verifier) -> None:
        """One that does not say when is taken for one of now: its back end was asked, for all that is known."""
        data = granted(app, "presence-1", '{"user_id":"ann"}')
        expel(known, "presence-1", at=NOW - 1)

        entry = rights.join(client(app, known), data)

        assert entry.grant is not None
        assert (entry.grant.user, entry.grant.given_at) == ("ann", NOW)

    @pytest.mark.parametrize("channel_data", [None, "", "no JSON", "[]", '{"iat":"x"}', "{}"])
    def test_of_nobody(self, app: App, known: Verifier, channel_data: str | None) -> None:
        """What does not say whose it is opens its channel, and no expulsion ends it."""
        expel(known, "private-1")

        entry = rights.join(client(app, known), granted(app, "private-1", channel_data))

        assert entry == Admittance(None, None)

    def test_signed_in(self, app: App, known: Verifier) -> None:
        """Who is signed in, and need not say it again, is the holder."""
        who = msgspec.structs.replace(ANN, info='{"n":"A"}')

        entry = rights.join(client(app, known, user=who), granted(app, "presence-1"))

        assert entry.member == Member("ann", '{"n":"A"}')
        assert entry.grant is not None
        assert entry.grant.user == "ann"

    def test_forged_instant(self, app: App, known: Verifier) -> None:
        """When it was given is signed: a client cannot make it newer."""
        data = granted(app, "private-1", json.dumps({"user_id": "ann", "iat": NOW - 5.0}))
        newer = json.dumps({"user_id": "ann", "iat": NOW + 5.0})

        with pytest.raises(Denied):
            rights.join(client(app, known), msgspec.structs.replace(data, channel_data=newer))
