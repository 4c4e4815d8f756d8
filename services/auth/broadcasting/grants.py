"""
What a client is given to prove its right: Pusher's tokens, with what they sign, and our own.

Pure.  Source: Pusher, "Authorizing users" and "Authenticating users", docs/protocol.md,
"Signatures".
"""

import base64
import hashlib
from collections.abc import Collection
from typing import Any

import msgspec

from libs.common.apps.app import App
from libs.common.apps.signatures import channel_text, grant_token, token, user_text
from libs.common.channels import MAX_CLAIMS, Kind, kind_of
from libs.common.errors import Forbidden
from libs.common.json_text import write
from services.auth.identity.bearer_tokens import Identity


class EncryptionOff(Forbidden):
    """An encrypted channel was asked for in an app without a master key."""

    def __init__(self, app_id: str) -> None:
        super().__init__(f"app {app_id} has no encryption_master_key")


class LongClaims(Forbidden):
    """What gateways must know of a user is too long."""

    def __init__(self) -> None:
        super().__init__(
            f"the claims that policies of public channels look at have more than {MAX_CLAIMS} bytes"
        )


class ChannelGrant(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    The right of one connection to subscribe to one channel.

    Attributes:
        auth: Opaque to clients.  Of presence channels Pusher's ``key:signature``; of others it also
            carries the user's id and the instant, see `libs.common.apps.signatures.grant_token`,
            so that a gateway knows whose subscription it may have to end.
        channel_data: Presence channels: the member, as the JSON text that is signed.  Others have
            none: many clients pass it on for presence channels alone.
        shared_secret: Encrypted channels: the channel's key as base64.
    """

    auth: str
    channel_data: str | msgspec.UnsetType = msgspec.UNSET
    shared_secret: str | msgspec.UnsetType = msgspec.UNSET


class UserGrant(msgspec.Struct, frozen=True):
    """
    The right of one connection to sign in as a user.

    Attributes:
        auth: ``key:signature``.
        user_data: The user, as the JSON text that is signed.
    """

    auth: str
    user_data: str


def grant_channel(
    app: App, socket_id: str, *, channel: str, user: Identity, now: float
) -> ChannelGrant:
    """
    Grant a channel.  The caller has decided that the user may have it.

    It says when it was given, UTC epoch seconds: Pusher's signatures have no end, and gateways
    refuse those that are older than a command to take the user out of the channel.

    Raises:
        BadSocketId: The socket id could smuggle a separator.
        EncryptionOff: The channel is encrypted and the app has no master key.
    """
    kind = kind_of(channel)
    who: dict[str, Any] = {"user_id": user.id, "iat": now}
    if kind is Kind.PRESENCE:
        data = _text({**who, "user_info": user.info})
        return ChannelGrant(token(app, channel_text(socket_id, channel, data)), data)
    auth = grant_token(app, socket_id, channel=channel, holder=_text(who))
    if kind is Kind.ENCRYPTED:
        return ChannelGrant(auth, shared_secret=_shared_secret(app, channel))
    return ChannelGrant(auth)


def grant_user(
    app: App, socket_id: str, *, user: Identity, told: Collection[str] | None = ()
) -> UserGrant:
    """
    Grant a sign-in.

    Args:
        app: Whose client it is.
        socket_id: Of its connection.
        user: Who signs in.
        told: The claims that gateways must know to judge the user at guarded channels; None: all.

    Raises:
        BadSocketId: The socket id could smuggle a separator.
        LongClaims: These claims are too long for a client's message.
    """
    claims = {name: user.claims[name] for name in user.claims if told is None or name in told}
    if len(_text(claims).encode()) > MAX_CLAIMS:
        raise LongClaims
    who = {"id": user.id, "user_info": user.info, **({"claims": claims} if claims else {})}
    user_data = _text(who)
    return UserGrant(token(app, user_text(socket_id, user_data)), user_data)


def _text(value: Any) -> str:
    return write(value).decode()


def _shared_secret(app: App, channel: str) -> str:
    """Derive a key: SHA-256 of the channel's name and master key (Pusher, "Encrypted channels")."""
    master = base64.b64decode(app.encryption_master_key.reveal())
    if not master:
        raise EncryptionOff(app.id)
    return base64.b64encode(hashlib.sha256(channel.encode() + master).digest()).decode()
