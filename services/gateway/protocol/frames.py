"""
Pusher messages as they stand on the wire: parse, validate, serialise.

Pure.  Nothing here knows a connection.  Source: Pusher, "Channels protocol", version 7;
docs/protocol.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from libs.common.channels import MAX_CLAIMS, BadUserId, check_user_id
from libs.common.errors import Invalid
from libs.common.json_text import JsonReader, write

CLIENT_PREFIX = "client-"
BY_ITSELF = ("pusher:ping", "pusher:pong")  # What SDKs send, whether or not anybody is there.
PONG = b'{"event":"pusher:pong","data":"{}"}'
_ESTABLISHED = (
    b'{"event":"pusher:connection_established",'
    rb'"data":"{\"socket_id\":\"%b\",\"activity_timeout\":%d}"}'
)

T = TypeVar("T")


class BadMessage(Invalid):
    """A client's message cannot be understood."""


class UnknownEvent(Invalid):
    """The protocol does not know this event, or it is not the client's to send."""

    def __init__(self, event: str) -> None:
        super().__init__(f"unknown event {event[:64]!r}")


class Message(msgspec.Struct, frozen=True):
    """A client's message; unknown keys are dropped, a forged ``user_id`` among them."""

    event: str
    channel: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class Subscribe(msgspec.Struct, frozen=True):
    """The data of ``pusher:subscribe``."""

    channel: str
    auth: str | None = None
    channel_data: str | None = None


class Unsubscribe(msgspec.Struct, frozen=True):
    """The data of ``pusher:unsubscribe``."""

    channel: str


class SignIn(msgspec.Struct, frozen=True):
    """The data of ``pusher:signin``; a channel token in ``auth`` says by itself who the user is."""

    auth: str
    user_data: str | None = None


class User(msgspec.Struct, frozen=True):
    """
    Who a client is signed in as.

    Attributes:
        id: Never empty.
        info: ``user_info`` as JSON text.
        watchlist: Ids of the users whose coming and going it wants to be told.
        claims: What else is said of it, for policies, as JSON text.
    """

    id: str
    info: str
    watchlist: tuple[str, ...]
    claims: str = "{}"


class Member(msgspec.Struct, frozen=True):
    """
    Who joins a presence channel.

    Attributes:
        user_id: As text, whatever the back end sent.
        info: ``user_info`` as JSON text.
    """

    user_id: str
    info: str


class _UserData(msgspec.Struct, frozen=True):
    id: str
    user_info: msgspec.Raw = msgspec.Raw(b"null")
    watchlist: tuple[str, ...] = ()
    claims: msgspec.Raw = msgspec.Raw(b"{}")


class Holder(msgspec.Struct, frozen=True):
    """
    Whose permission for a channel is, as the text tells that auth has signed.

    Attributes:
        user_id: Empty where it does not say.
        iat: When it was given, UTC epoch seconds; None where it does not say.
    """

    user_id: str = ""
    iat: float | None = None


class _ChannelData(msgspec.Struct, frozen=True):
    user_id: str | int
    user_info: msgspec.Raw = msgspec.Raw(b"null")


_message = JsonReader(Message, around=1)
_text = JsonReader(str)
_subscribe = JsonReader(Subscribe, takes_halves=False)
_unsubscribe = JsonReader(Unsubscribe, takes_halves=False)
_sign_in = JsonReader(SignIn, takes_halves=False)
_user_data = JsonReader(_UserData, around=1)
_channel_data = JsonReader(_ChannelData, around=1)
_holder = JsonReader(Holder, takes_halves=False)


def parse(text: bytes | str) -> Message:
    """
    Read a client's message.

    Raises:
        BadMessage: It is not a JSON object with an ``event``.
    """
    return _decode(_message, text, "the message")


def parse_subscribe(data: msgspec.Raw) -> Subscribe:
    """
    Read the data of ``pusher:subscribe``, an object or a string that holds one.

    Raises:
        BadMessage: It is neither, or ``channel`` is missing.
    """
    return _decode(_subscribe, _unwrapped(data), "the data of pusher:subscribe")


def parse_unsubscribe(data: msgspec.Raw) -> Unsubscribe:
    """Read the data of ``pusher:unsubscribe``; raises as `parse_subscribe` does."""
    return _decode(_unsubscribe, _unwrapped(data), "the data of pusher:unsubscribe")


def parse_sign_in(data: msgspec.Raw) -> SignIn:
    """Read the data of ``pusher:signin``; raises as `parse_subscribe` does."""
    return _decode(_sign_in, _unwrapped(data), "the data of pusher:signin")


def parse_user(user_data: str) -> User:
    """
    Read ``user_data``.

    Raises:
        BadMessage: It is no JSON object with an ``id`` that is a text of 1 to `MAX_USER_ID`
            characters; or its ``claims`` are too long.
    """
    data = _decode(_user_data, user_data, "user_data")
    _check_user_id(data.id, "user_data")
    if len(bytes(data.claims)) > MAX_CLAIMS:
        raise BadMessage(f"the claims of user_data may have {MAX_CLAIMS} bytes")
    info, claims = bytes(data.user_info).decode(), bytes(data.claims).decode()
    return User(data.id, info, data.watchlist, claims)


def parse_member(channel_data: str) -> Member:
    """
    Read ``channel_data`` of a presence channel.

    Raises:
        BadMessage: It is no JSON object with a ``user_id`` of 1 to `MAX_USER_ID` characters.
    """
    data = _decode(_channel_data, channel_data, "channel_data")
    user_id = str(data.user_id)
    _check_user_id(user_id, "channel_data")
    return Member(user_id, bytes(data.user_info).decode())


def _check_user_id(user_id: str, where: str) -> None:
    try:
        check_user_id(user_id)
    except BadUserId as error:
        raise BadMessage(f"{where}: {error}") from error


def parse_holder(signed: str | None) -> Holder:
    """Read whose permission it is; what another back end has signed may say nothing of it."""
    try:
        return _holder.read(signed) if signed else Holder()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Holder()


def client_data(data: msgspec.Raw) -> str | None:
    """
    Turn the data of a client event into the text that is passed on: what is no string becomes JSON.

    Raises:
        BadMessage: The text is not UTF-8.
    """
    raw = bytes(data)
    if raw == b"null":
        return None
    if raw.startswith(b'"'):
        return _decode(_text, raw, "data")
    try:
        return raw.decode()
    except UnicodeError as error:
        raise BadMessage(f"data cannot be read: {error}") from error


def _decode(reader: JsonReader[T], text: bytes | str, what: str) -> T:
    try:
        return reader.read(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadMessage(f"{what} cannot be read: {error}") from error


def _unwrapped(data: msgspec.Raw) -> bytes:
    """Some SDKs send ``data`` as a string of JSON, as the server does."""
    raw = bytes(data)
    if raw.startswith(b'"'):
        return _decode(_text, raw, "data").encode(errors="surrogatepass")
    return raw


def established(socket_id: str, activity_timeout: int) -> bytes:
    """
    Greet a connection.

    Args:
        socket_id: Digits and a full stop, which stand in JSON as they are.
        activity_timeout: In whole seconds, above 0.
    """
    return _ESTABLISHED % (socket_id.encode(), activity_timeout)


def error(code: int, message: str) -> bytes:
    """Tell what was wrong; the connection stays open unless a Close frame follows."""
    return write({"event": "pusher:error", "data": {"code": code, "message": message}})


def signed_in(user_data: str) -> bytes:
    """Confirm a sign-in; ``user_data`` is the text that was signed."""
    return _message_of("pusher:signin_success", _json({"user_data": user_data}))


def user_data(user: User) -> str:
    """Write ``user_data`` of a user whom a channel token named."""
    return _json({"id": user.id, "user_info": msgspec.Raw(user.info.encode())})


def succeeded(channel: str) -> bytes:
    """Confirm a subscription."""
    return _message_of("pusher_internal:subscription_succeeded", "{}", channel)


def joined(channel: str, infos: Mapping[str, str]) -> bytes:
    """
    Confirm a subscription to a presence channel.

    Args:
        channel: The channel's name.
        infos: User id to ``user_info`` as JSON text, the new member included.
    """
    hashed = {user_id: msgspec.Raw(info.encode()) for user_id, info in infos.items()}
    presence = {"ids": list(infos), "hash": hashed, "count": len(infos)}
    data = _json({"presence": presence})
    return _message_of("pusher_internal:subscription_succeeded", data, channel)


def refused(channel: str, kind: str, message: str, *, status: int) -> bytes:
    """
    Refuse a subscription.

    Args:
        channel: The channel's name, as the client wrote it.
        kind: ``AuthError``, ``LimitReached`` or ``InvalidChannel``.
        message: The rule that forbids it, in words.
        status: An HTTP status, as pusher-js reports those of its own requests.
    """
    data = {"type": kind, "error": message, "status": status}
    return write({"event": "pusher:subscription_error", "channel": channel, "data": data})


def cache_miss(channel: str) -> bytes:
    """Tell that a cache channel keeps no event (Pusher, "Cache channels")."""
    return _message_of("pusher:cache_miss", "{}", channel)


def subscription_count(channel: str, total: int) -> bytes:
    """Tell how many subscribe to a channel (Pusher, "Subscription counting")."""
    data = _json({"subscription_count": total})
    return _message_of("pusher_internal:subscription_count", data, channel)


def typing(channel: str, count: int, user_ids: Sequence[str] | None) -> bytes:
    """
    Tell who is typing in a channel.

    Args:
        channel: Its name.
        count: How many users.
        user_ids: Their ids, sorted; None: only their number is told.
    """
    data = {"count": count} if user_ids is None else {"user_ids": user_ids}
    return _message_of("fanfare:typing", _json(data), channel)


def member_added(channel: str, user_id: str, info: str) -> bytes:
    """Announce a member."""
    data = _json({"user_id": user_id, "user_info": msgspec.Raw(info.encode())})
    return _message_of("pusher_internal:member_added", data, channel)


def member_removed(channel: str, user_id: str) -> bytes:
    """Announce that a member left."""
    return _message_of("pusher_internal:member_removed", _json({"user_id": user_id}), channel)


def watchlist_events(online: Sequence[str], offline: Sequence[str]) -> bytes:
    """
    Tell which users of a watchlist are online, and which are not (Pusher, "Watchlist events").

    Args:
        online: Ids of users who are; without any nothing is said of them.
        offline: Ids of users who are not, likewise.
    """
    named = (("online", online), ("offline", offline))
    events = [{"name": name, "user_ids": ids} for name, ids in named if ids]
    return _message_of("pusher_internal:watchlist_events", _json({"events": events}))


def _message_of(event: str, data: str, channel: str | None = None) -> bytes:
    message = {"event": event, "data": data}
    if channel is not None:
        message["channel"] = channel
    return write(message)


def _json(data: Any) -> str:
    return write(data).decode()
