"""
What a client's tokens entitle it to: to be a user, and to join a channel.

Pure.  Source: Pusher, "Authorizing users" and "Authenticating users"; docs/protocol.md, "Signatures".
"""

import msgspec

from libs.common.apps import App
from libs.common.channels import USER_PREFIX, Kind, kind_of
from libs.common.errors import Denied
from libs.common.signing import channel_text, check_token, user_text
from services.gateway import frames
from services.gateway.frames import Member, SignIn, Subscribe, User

_NOTHING = msgspec.Raw(b"null")


class NotSignedIn(Denied):
    """The channel belongs to a user, and the connection is not signed in as that user."""

    def __init__(self) -> None:
        super().__init__("the connection is not signed in as this user")


class SignedInOtherwise(Denied):
    """The connection is signed in as another user; it stays what it is."""

    def __init__(self) -> None:
        super().__init__("the connection is signed in as another user")


def sign_in(app: App, socket_id: str, data: SignIn, *, known: User | None) -> User:
    """
    Tell who the client proves to be.

    Args:
        app: Whose client it is.
        socket_id: The connection's name.
        data: What the client sent.
        known: Who it proved to be before.

    Raises:
        BadSignature: The token is not one of this app for this socket and user.
        BadMessage: The signed text names no user.
        SignedInOtherwise: It is another user than before.
    """
    check_token(app, data.auth, user_text(socket_id, data.user_data))
    user = frames.parse_user(data.user_data)
    if known is not None and known.id != user.id:
        raise SignedInOtherwise
    return user


def tenant_of(user: User, field: str) -> str:
    """
    Tell whose a user is, from a field of its ``user_info``, a text or a whole number; empty where it is neither.

    Args:
        user: Who is signed in.
        field: Its name, as `App.tenant` has it; empty: none.
    """
    if not field:
        return ""
    try:
        value = msgspec.json.decode(user.info, type=dict[str, msgspec.Raw]).get(field, _NOTHING)
        return str(msgspec.json.decode(value, type=str | int))
    except msgspec.DecodeError:  # Neither an object, nor one that has such a field.
        return ""


def join(app: App, socket_id: str, data: Subscribe, *, user: User | None) -> Member | None:
    """
    Tell as whom the client may join a channel.

    Args:
        app: Whose client it is.
        socket_id: The connection's name.
        data: What the client sent; the channel's name was checked before.
        user: As whom it is signed in.

    Returns:
        The member, for a presence channel; None for the others.

    Raises:
        BadSignature: The channel needs a token, and this one is not good.
        NotSignedIn: The channel is another user's.
        BadMessage: Nothing says who joins the presence channel.
    """
    kind = kind_of(data.channel)
    if kind is Kind.PUBLIC:
        return None
    if kind is Kind.USER:
        if user is None or data.channel != USER_PREFIX + user.id:
            raise NotSignedIn
        return None
    text = channel_text(socket_id, data.channel, data.channel_data)
    check_token(app, data.auth or "", text)
    return _member(data, user) if kind is Kind.PRESENCE else None


def _member(data: Subscribe, user: User | None) -> Member:
    if data.channel_data is not None:
        return frames.parse_member(data.channel_data)
    if user is not None:  # Pusher, "User authentication": who signed in need not say it again.
        return Member(user.id, user.info)
    raise frames.BadMessage("a presence channel needs channel_data, or a client that is signed in")
