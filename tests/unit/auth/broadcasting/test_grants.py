"""What a client is given to prove its right."""

import base64
import re
from typing import Any

import msgspec
import pytest

from libs.common.apps.app import App
from libs.common.apps.signatures import channel_text, check_grant, check_token, user_text
from libs.common.channels import MAX_CLAIMS, BadSocketId
from libs.common.config.secret import Secret
from services.auth.broadcasting.grants import EncryptionOff, LongClaims, grant_channel, grant_user
from services.auth.identity.bearer_tokens import Identity
from services.auth.settings import Issuer

# Pusher's own test vectors (docs/protocol.md, "Signatures").
KEY = "278d425bdf160c739803"
APP = App(
    id="3",
    key=KEY,
    secrets=(Secret("7ad3773142a6692b25b8"), Secret("an older one")),
    encryption_master_key=Secret(base64.b64encode(b"A" * 32).decode()),
)
NOW = 1_700_000_000.5
ISSUER = Issuer(issuer="i", audience="a", secret=Secret("s" * 32))


def user(user_id: str = "10", **info: Any) -> Identity:
    return Identity(user_id, info, {}, ISSUER)


def fields(grant: Any) -> dict[str, Any]:
    """Return what a client reads."""
    answer: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(grant))
    return answer


class TestChannel:
    """Pusher, "Authorizing users"."""

    @pytest.mark.parametrize("channel", ["private-foobar", "private-cache-foobar", "foobar"])
    def test_private(self, channel: str) -> None:
        """A channel's grant says within ``auth`` whose it is, and nothing of it beside."""
        grant = fields(
            grant_channel(APP, "1234.1234", channel=channel, user=user(name="Ann"), now=NOW)
        )

        assert grant.keys() == {"auth"}
        holder = check_grant(APP, grant["auth"], "1234.1234", channel=channel)
        assert holder == '{"user_id":"10","iat":1700000000.5}'

    @pytest.mark.parametrize("name", ["Zoë|é", "\U0001f600" * 128, '"\\"', "a:b.c"])
    def test_any_user(self, name: str) -> None:
        """Any user id fits, and what carries it stays short and takes no encoding anywhere."""
        grant = grant_channel(APP, "1.1", channel="private-foobar", user=user(name), now=NOW)

        holder = msgspec.json.decode(check_grant(APP, grant.auth, "1.1", channel="private-foobar"))
        key, _, rest = grant.auth.partition(":")
        assert holder == {"user_id": name, "iat": NOW}
        assert key == KEY
        assert re.fullmatch(r"[A-Za-z0-9_-]+\.[0-9a-f]{64}", rest)
        assert len(rest) < 850

    def test_presence(self) -> None:
        """A presence channel's grant says who joins, and signs exactly that text."""
        grant = fields(
            grant_channel(
                APP, "1234.1234", channel="presence-foobar", user=user(name="Ann"), now=NOW
            )
        )

        assert grant.keys() == {"auth", "channel_data"}
        assert msgspec.json.decode(grant["channel_data"]) == {
            "user_id": "10",
            "iat": NOW,
            "user_info": {"name": "Ann"},
        }
        text = channel_text("1234.1234", "presence-foobar", grant["channel_data"])
        check_token(APP, grant["auth"], text)

    @pytest.mark.parametrize("channel", ["presence-foobar", "presence-cache-foobar"])
    def test_presence_without_info(self, channel: str) -> None:
        """Members are objects even where nothing is known of them."""
        grant = fields(grant_channel(APP, "1.1", channel=channel, user=user(), now=NOW))

        assert grant["channel_data"] == '{"user_id":"10","iat":1700000000.5,"user_info":{}}'

    def test_encrypted(self) -> None:
        """An encrypted channel's grant has the channel's key, derived from the app's."""
        channel = "private-encrypted-foo"

        grant = fields(grant_channel(APP, "1.1", channel=channel, user=user(), now=NOW))

        assert grant.keys() == {"auth", "shared_secret"}
        assert grant["shared_secret"] == "UNrH6UuUfhcQDubTA5C0ho87UhJD7LzXdOu2FTAD9Hg="
        holder = check_grant(APP, grant["auth"], "1.1", channel=channel)
        assert holder == '{"user_id":"10","iat":1700000000.5}'

    def test_encryption_off(self) -> None:
        """Without a master key nothing is derived from nothing."""
        app = msgspec.structs.replace(APP, encryption_master_key=Secret(""))

        with pytest.raises(EncryptionOff):
            grant_channel(app, "1.1", channel="private-encrypted-foo", user=user(), now=NOW)

    def test_only_encrypted_needs_a_master_key(self) -> None:
        app = msgspec.structs.replace(APP, encryption_master_key=Secret(""))

        grant = fields(grant_channel(app, "1.1", channel="private-foo", user=user(), now=NOW))

        assert "shared_secret" not in grant

    def test_socket_id(self) -> None:
        """A socket id cannot smuggle a separator into what is signed."""
        with pytest.raises(BadSocketId):
            grant_channel(APP, "1.1:private-x", channel="private-foo", user=user(), now=NOW)


class TestUser:
    """Pusher, "Authenticating users"."""

    def test_user(self) -> None:
        """A sign-in's grant says who the user is, and signs exactly that text."""
        grant = fields(grant_user(APP, "1234.1234", user=user("12345", name="Ann")))

        assert grant.keys() == {"auth", "user_data"}
        assert msgspec.json.decode(grant["user_data"]) == {
            "id": "12345",
            "user_info": {"name": "Ann"},
        }
        check_token(APP, grant["auth"], user_text("1234.1234", grant["user_data"]))

    def test_socket_id(self) -> None:
        with pytest.raises(BadSocketId):
            grant_user(APP, "1234", user=user())

    @pytest.mark.parametrize(
        "told,shown",
        [
            (frozenset({"tenant", "other"}), {"tenant": "a"}),
            (None, {"tenant": "a", "email": "ann@example.org"}),
            (frozenset(), None),
        ],
    )
    def test_claims(self, told: frozenset[str] | None, shown: dict[str, str] | None) -> None:
        """Of a user's claims it says those that gateways must know, and no others."""
        ann = Identity("7", {}, {"tenant": "a", "email": "ann@example.org"}, ISSUER)

        grant = fields(grant_user(APP, "1.1", user=ann, told=told))

        assert msgspec.json.decode(grant["user_data"]).get("claims") == shown

    def test_long_claims(self) -> None:
        """A client could not pass them on."""
        ann = Identity("7", {}, {"tenant": "a" * MAX_CLAIMS}, ISSUER)

        with pytest.raises(LongClaims):
            grant_user(APP, "1.1", user=ann, told=None)
