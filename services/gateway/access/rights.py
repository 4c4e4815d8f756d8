"""
What a client's tokens entitle it to: to be a user, and to join a channel.

Pure.  Source: Pusher, "Authorizing users" and "Authenticating users"; docs/protocol.md,
"Signatures".
"""

from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from libs.common.apps.app import App
from libs.common.apps.signatures import (
    BadSignature,
    channel_text,
    check_grant,
    check_token,
    is_grant,
    user_text,
)
from libs.common.channels import USER_PREFIX, Kind, kind_of
from libs.common.errors import Denied, Forbidden
from libs.common.json_text import JsonReader, write
from libs.common.policies.policies import Decision
from libs.common.tokens.channel_tokens import ChannelToken, looks_like_token, permits
from services.gateway.access.grants import Grant
from services.gateway.access.verifier import NotNamed, Verified, Verifier
from services.gateway.protocol import frames
from services.gateway.protocol.frames import Member, SignIn, Subscribe, User

_NOTHING = msgspec.Raw(b"null")
_object = JsonReader(dict[str, Any])
_fields = JsonReader(dict[str, msgspec.Raw])
_tenant = JsonReader(str | int)  # type: ignore[arg-type]  # A union, as msgspec takes it.


class NotSignedIn(Denied):
    """The channel belongs to a user, and the connection is not signed in as that user."""

    def __init__(self) -> None:
        super().__init__("the connection is not signed in as this user")


class SignedInOtherwise(Denied):
    """The connection is signed in as another user; it stays what it is."""

    def __init__(self) -> None:
        super().__init__("the connection is signed in as another user")


class NotIdentified(Denied):
    """The channel is guarded, and the client has not said who it is."""

    def __init__(self) -> None:
        super().__init__("this channel is for clients that sign in, or connect with a token")


class RefusedByGuard(Forbidden):
    """A guard lets this user not in."""

    def __init__(self, decision: Decision, hint: str = "") -> None:
        super().__init__("you may not join this channel")
        self.detail = f"{decision.pattern}: {decision.reason}"
        self.facts = {"hint": hint} if hint else {}


class Client(msgspec.Struct, frozen=True, gc=False):
    """
    Who asks, and what it showed before.

    Attributes:
        app: The app whose client this is.
        socket_id: The connection's name.
        verifier: What this gateway knows of tokens.
        user: The user that the client is signed in as; None: it is not.
        user_token: The token by which it signed in; None: it showed ``user_data``.
        carried: The token that the client connected with.
        now: Monotonic seconds.
    """

    app: App
    socket_id: str
    verifier: Verifier
    user: User | None
    user_token: Verified | None
    carried: Verified | None
    now: float


class Admittance(NamedTuple):
    """
    That a client may join a channel.

    Attributes:
        member: As whom it joins a presence channel; None for other channels.
        grant: By what right it joins; None where nothing has to be shown.
    """

    member: Member | None
    grant: Grant | None


def sign_in(client: Client, data: SignIn) -> tuple[User, Verified | None]:
    """
    Tell who the client proves to be, and by which token if it is one of ours.

    Raises:
        BadSignature: The token is not one of this app for this socket and user.
        BadChannelToken: The token is a channel token, and not good.
        NotInformed: See `Verifier.accept`.
        BadMessage: The signed text names no user.
        SignedInOtherwise: The token names another user than the client is signed in as.
    """
    if looks_like_token(data.auth):
        verified = client.verifier.accept(data.auth, client.app, now=client.now)
        user = _user_of(verified.token)
    else:
        verified = None
        if data.user_data is None:
            raise frames.BadMessage("the data of pusher:signin needs user_data")
        check_token(client.app, data.auth, user_text(client.socket_id, data.user_data))
        user = frames.parse_user(data.user_data)
    if client.user is not None and client.user.id != user.id:
        raise SignedInOtherwise
    return user, verified


def tenant_of(user: User, field: str) -> str:
    """
    Read a user's tenant from a field of its ``user_info``.

    It is a text or a whole number; without one it is empty.

    Args:
        user: The user that is signed in.
        field: The name of the field, as `App.tenant` has it; empty: users have no tenants.
    """
    if not field:
        return ""
    try:
        value = _fields.read(user.info).get(field, _NOTHING)
        return str(_tenant.read(value))
    except msgspec.DecodeError:  # Neither an object, nor one that has such a field.
        return ""


def join(client: Client, data: Subscribe) -> Admittance:
    """
    Tell as whom, and by what right, the client may join a channel.

    Args:
        client: Who asks, and what it showed before.
        data: The subscribe; the caller has checked the channel's name.

    Raises:
        BadSignature: The channel needs a token, and this one is not good.
        BadChannelToken: The token is a channel token, and not good.
        NotNamed: The token is good for other channels only.
        NotIdentified, NotAllowed: The channel is public and guarded.
        NotInformed: See `Verifier.accept`.
        Expelled: The permission is older than the user's expulsion.
        NotSignedIn: The channel is another user's.
        BadMessage: Nothing says who joins the presence channel.
    """
    kind = kind_of(data.channel)
    if kind is Kind.PUBLIC:
        return _public(client, data)
    if kind is Kind.USER:
        if client.user is None or data.channel != USER_PREFIX + client.user.id:
            raise NotSignedIn
        return Admittance(None, None)
    verified = _verified(client, data)
    return _let_in(client, data, verified) if verified else _granted(client, data, kind)


def _public(client: Client, data: Subscribe) -> Admittance:
    """Let a token open a guarded channel that it names; else the policy decides."""
    if not client.verifier.guards.has(client.app.id, data.channel):
        return Admittance(None, None)
    if not looks_like_token(data.auth or "") and client.carried and _is_named(client, data.channel):
        return _let_in(client, data, client.carried)
    user, verified = _identified(client, data)
    if verified is not None and permits(verified.token, data.channel):
        return _let_in(client, data, verified)
    guards, person = client.verifier.guards, _person(user)
    decision = guards.decide(client.app.id, data.channel, person)
    if not decision.allowed:
        raise RefusedByGuard(decision, guards.hint(client.app.id, data.channel, person))
    return Admittance(None, Grant(user.id, client.verifier.utc(client.now), verified))


def _identified(client: Client, data: Subscribe) -> tuple[User, Verified | None]:
    """Tell who the client is by what it shows now, else by its sign-in, else by its first token."""
    if looks_like_token(data.auth or ""):
        shown = client.verifier.accept(data.auth or "", client.app, now=client.now)
        return _user_of(shown.token), shown
    verified = client.carried if client.user is None else client.user_token
    if verified is not None:
        client.verifier.check(verified, client.app, now=client.now)
    if client.user is not None:
        return client.user, verified
    if verified is None:
        raise NotIdentified
    return _user_of(verified.token), verified


def _is_named(client: Client, channel: str) -> bool:
    """Tell whether the token that the client connected with is still good, and names a channel."""
    if client.carried is None or not permits(client.carried.token, channel):
        return False
    try:
        client.verifier.check(client.carried, client.app, now=client.now)
    except Denied:
        return False
    return True


class _Person:
    """A user, as policies look at one.  See `libs.common.policies.policies.Person`."""

    def __init__(self, user: User) -> None:
        self.id = user.id
        self.info = _object_of(user.info)
        self.claims = _object_of(user.claims)


@lru_cache(maxsize=256)  # Who signs in anew is judged in many channels at once.
def _person(user: User) -> _Person:
    return _Person(user)


def _object_of(text: str) -> dict[str, Any]:
    try:
        return _object.read(text)
    except (msgspec.DecodeError, RecursionError):  # Null, or what another back end says there.
        return {}


def _verified(client: Client, data: Subscribe) -> Verified | None:
    """Return the token that the client shows now, or connected with; None: neither."""
    if data.auth:
        if not looks_like_token(data.auth):
            return None
        return client.verifier.accept(data.auth, client.app, now=client.now)
    if client.carried is not None:
        client.verifier.check(client.carried, client.app, now=client.now)
    return client.carried


def _let_in(client: Client, data: Subscribe, verified: Verified) -> Admittance:
    token = verified.token
    if not permits(token, data.channel):
        raise NotNamed
    grant = Grant(token.user, token.issued_at, verified)
    _check_expulsions(client, data.channel, grant)
    if kind_of(data.channel) is not Kind.PRESENCE:
        return Admittance(None, grant)
    user = _user_of(token)
    return Admittance(Member(user.id, user.info), grant)


def _granted(client: Client, data: Subscribe, kind: Kind) -> Admittance:
    """Let a permission for this channel alone in, which auth or a back end has signed."""
    is_presence = kind is Kind.PRESENCE
    holder = frames.parse_holder((_signed_data if is_presence else _signed_holder)(client, data))
    member = _member(data, client.user) if is_presence else None
    user_id = member.user_id if member else holder.user_id
    if not user_id:
        return Admittance(member, None)
    given_at = client.verifier.utc(client.now) if holder.iat is None else holder.iat
    grant = Grant(user_id, given_at)
    _check_expulsions(client, data.channel, grant)
    return Admittance(member, grant)


def _signed_data(client: Client, data: Subscribe) -> str | None:
    """Check a permission that signs what the client passes on, and return that."""
    text = channel_text(client.socket_id, data.channel, data.channel_data)
    check_token(client.app, data.auth or "", text)
    return data.channel_data


def _signed_holder(client: Client, data: Subscribe) -> str | None:
    """
    Check a permission, and return what it says of whose it is; None: a back end's says nothing.

    Some clients pass ``channel_data`` on here and some do not; it counts where it is signed alone.
    """
    auth = data.auth or ""
    if is_grant(auth):
        return check_grant(client.app, auth, client.socket_id, channel=data.channel)
    if data.channel_data is not None and _signs_channel(client, data):
        return None
    # The auth service of the last release signed channel_data here: taken during this one.
    return _signed_data(client, data)


def _signs_channel(client: Client, data: Subscribe) -> bool:
    try:
        check_token(client.app, data.auth or "", channel_text(client.socket_id, data.channel))
    except BadSignature:
        return False
    return True


def _check_expulsions(client: Client, channel: str, grant: Grant) -> None:
    now = client.verifier.utc(client.now)
    known = client.verifier.expulsions
    known.check(client.app.id, grant.user, channel, given_at=grant.given_at, now=now)


def _user_of(token: ChannelToken) -> User:
    info = write(token.user_info).decode() if token.user_info else "null"
    return User(token.user, info, (), write(token.claims).decode())


def _member(data: Subscribe, user: User | None) -> Member:
    if data.channel_data is not None:
        return frames.parse_member(data.channel_data)
    if user is not None:  # Pusher, "User authentication": who signed in need not say it again.
        return Member(user.id, user.info)
    raise frames.BadMessage("a presence channel needs channel_data, or a client that is signed in")
