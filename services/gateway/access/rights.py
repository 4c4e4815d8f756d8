"""
What a client's tokens entitle it to: to be a user, and to join a channel.

Pure.  Source: Pusher, "Authorizing users" and "Authenticating users"; docs/protocol.md, "Signatures".
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from libs.common.apps.app import App
from libs.common.apps.signatures import channel_text, check_token, user_text
from libs.common.channels import USER_PREFIX, Kind, kind_of
from libs.common.errors import Denied, Forbidden
from libs.common.policies.policies import Decision
from libs.common.tokens.channel_tokens import ChannelToken, looks_like_token, permits
from services.gateway.access.grants import Grant
from services.gateway.access.verifier import NotNamed, Pass, Passes
from services.gateway.protocol import frames
from services.gateway.protocol.frames import Member, SignIn, Subscribe, User

_NOTHING = msgspec.Raw(b"null")
_object = msgspec.json.Decoder(dict[str, Any])


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


class NotAllowed(Forbidden):
    """A guard lets this user not in."""

    def __init__(self, decision: Decision) -> None:
        super().__init__("you may not join this channel")
        self.detail = f"{decision.pattern}: {decision.reason}"


@dataclass(frozen=True, slots=True)
class Client:
    """
    Who asks, and what it showed before.

    Attributes:
        app: Whose client it is.
        socket_id: The connection's name.
        passes: What this gateway knows of tokens.
        user: As whom it is signed in.
        user_pass: By which token, if it was one.
        carried: The token that it connected with.
        now: Monotonic seconds.
    """

    app: App
    socket_id: str
    passes: Passes
    user: User | None
    user_pass: Pass | None
    carried: Pass | None
    now: float


class Entry(NamedTuple):
    """What a client may join as: a member, of presence channels; and by what right, where it takes one."""

    member: Member | None
    grant: Grant | None


def sign_in(client: Client, data: SignIn) -> tuple[User, Pass | None]:
    """
    Tell who the client proves to be, and by which token if it is one of ours.

    Raises:
        BadSignature: The token is not one of this app for this socket and user.
        BadChannelToken: It is a channel token, and not good.
        NotInformed: See `Passes.accept`.
        BadMessage: The signed text names no user.
        SignedInOtherwise: It is another user than before.
    """
    if looks_like_token(data.auth):
        pass_ = client.passes.accept(data.auth, client.app, now=client.now)
        user = _user_of(pass_.token)
    else:
        pass_ = None
        if data.user_data is None:
            raise frames.BadMessage("the data of pusher:signin needs user_data")
        check_token(client.app, data.auth, user_text(client.socket_id, data.user_data))
        user = frames.parse_user(data.user_data)
    if client.user is not None and client.user.id != user.id:
        raise SignedInOtherwise
    return user, pass_


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


def join(client: Client, data: Subscribe) -> Entry:
    """
    Tell as whom, and by what right, the client may join a channel.

    Args:
        client: Who asks.
        data: What it sent; the channel's name was checked before.

    Raises:
        BadSignature: The channel needs a token, and this one is not good.
        BadChannelToken: It is a channel token, and not good.
        NotNamed: It is good for other channels.
        NotIdentified, NotAllowed: The channel is public and guarded.
        NotInformed: See `Passes.accept`.
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
        return Entry(None, None)
    pass_ = _pass(client, data)
    if pass_ is None:
        text = channel_text(client.socket_id, data.channel, data.channel_data)
        check_token(client.app, data.auth or "", text)
        return _granted(client, data, kind)
    return _let_in(client, data, pass_)


def _public(client: Client, data: Subscribe) -> Entry:
    """A token that names a guarded channel opens it; else the policy judges who the client says it is."""
    if not client.passes.guards.has(client.app.id, data.channel):
        return Entry(None, None)
    if not looks_like_token(data.auth or "") and client.carried and _is_named(client, data.channel):
        return _let_in(client, data, client.carried)
    user, pass_ = _identified(client, data)
    if pass_ is not None and permits(pass_.token, data.channel):
        return _let_in(client, data, pass_)
    decision = client.passes.guards.decide(client.app.id, data.channel, _person(user))
    if not decision.allowed:
        raise NotAllowed(decision)
    return Entry(None, Grant(user.id, client.passes.utc(client.now), pass_))


def _identified(client: Client, data: Subscribe) -> tuple[User, Pass | None]:
    """Tell who the client says it is: now, else when it signed in, else when it connected."""
    if looks_like_token(data.auth or ""):
        shown = client.passes.accept(data.auth or "", client.app, now=client.now)
        return _user_of(shown.token), shown
    pass_ = client.carried if client.user is None else client.user_pass
    if pass_ is not None:
        client.passes.check(pass_, client.app, now=client.now)
    if client.user is not None:
        return client.user, pass_
    if pass_ is None:
        raise NotIdentified
    return _user_of(pass_.token), pass_


def _is_named(client: Client, channel: str) -> bool:
    """Tell whether the token that the client connected with is still good, and names a channel."""
    if client.carried is None or not permits(client.carried.token, channel):
        return False
    try:
        client.passes.check(client.carried, client.app, now=client.now)
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
        return _object.decode(text)
    except (msgspec.DecodeError, RecursionError):  # Null, or what another back end says there.
        return {}


def _pass(client: Client, data: Subscribe) -> Pass | None:
    """Return the channel token that the client shows now, or showed when it connected; None: neither."""
    if data.auth:
        if not looks_like_token(data.auth):
            return None
        return client.passes.accept(data.auth, client.app, now=client.now)
    if client.carried is not None:
        client.passes.check(client.carried, client.app, now=client.now)
    return client.carried


def _let_in(client: Client, data: Subscribe, pass_: Pass) -> Entry:
    token = pass_.token
    if not permits(token, data.channel):
        raise NotNamed
    grant = Grant(token.user, token.issued_at, pass_)
    _check_expulsions(client, data.channel, grant)
    if kind_of(data.channel) is not Kind.PRESENCE:
        return Entry(None, grant)
    user = _user_of(token)
    return Entry(Member(user.id, user.info), grant)


def _granted(client: Client, data: Subscribe, kind: Kind) -> Entry:
    """Read Pusher's kind of permission, whose signature is good; auth's own says whose and of when it is."""
    member = _member(data, client.user) if kind is Kind.PRESENCE else None
    holder = frames.parse_holder(data.channel_data)
    user_id = member.user_id if member else holder.user_id
    if not user_id:
        return Entry(member, None)
    given_at = client.passes.utc(client.now) if holder.iat is None else holder.iat
    grant = Grant(user_id, given_at)
    _check_expulsions(client, data.channel, grant)
    return Entry(member, grant)


def _check_expulsions(client: Client, channel: str, grant: Grant) -> None:
    now = client.passes.utc(client.now)
    known = client.passes.expulsions
    known.check(client.app.id, grant.user, channel, given_at=grant.given_at, now=now)


def _user_of(token: ChannelToken) -> User:
    info = msgspec.json.encode(token.user_info).decode() if token.user_info else "null"
    return User(token.user, info, (), msgspec.json.encode(token.claims).decode())


def _member(data: Subscribe, user: User | None) -> Member:
    if data.channel_data is not None:
        return frames.parse_member(data.channel_data)
    if user is not None:  # Pusher, "User authentication": who signed in need not say it again.
        return Member(user.id, user.info)
    raise frames.BadMessage("a presence channel needs channel_data, or a client that is signed in")
