"""
What a session wants done: values that it returns, and that `Connection` performs in order.

Pure.
"""

from typing import NamedTuple

import msgspec

from libs.common.errors import Denied, Invalid
from libs.common.marks.mark import Mark
from services.gateway.protocol import frames
from services.gateway.protocol.frames import Member, User
from services.gateway.protocol.limits import (
    TooManyChannels,
    TooManyClientEvents,
    TooMuchUserInfo,
)

DENIED = "AuthError"  # The kind of a refusal of what a client may not do.


class Refusal(NamedTuple):
    """
    Why a client may not be in a channel, in the terms of ``pusher:subscription_error``.

    Attributes:
        kind: The error type, such as ``AuthError``.
        message: The reason, for the client.
        status: The HTTP status that goes with it.
        detail: A more precise reason, for the log of operators alone.
        hint: What may be meant instead, for the same.
        limit: Which limit was reached, as `libs.common.rates.limited` calls it; empty: none.
    """

    kind: str
    message: str
    status: int
    detail: str = ""
    hint: str = ""
    limit: str = ""


# Of a question that its client has given up: nobody is told.
WITHDRAWN = Refusal("Withdrawn", "the client does not ask any more", 499)


def refusal_of(error: Denied | Invalid) -> Refusal:
    """Put into these terms why a subscription is refused, or ended."""
    match error:
        case Denied():
            hint = error.facts.get("hint", "")
            return Refusal(DENIED, str(error), error.status, error.detail, hint)
        case TooMuchUserInfo():
            return Refusal("LimitReached", str(error), error.code)
        case TooManyChannels():
            return Refusal("LimitReached", str(error), error.status, limit="channels")
    return Refusal("InvalidChannel", str(error), error.status)


class Send(msgspec.Struct, frozen=True, gc=False):
    """
    Write a frame to the client.

    Attributes:
        frame: The text of the message.
        limit: Which limit it tells of, as `libs.common.rates.limited` calls it; empty: none.
    """

    frame: bytes
    limit: str = ""


class Refuse(msgspec.Struct, frozen=True, gc=False):
    """Tell the client, and operators, that it may not be in a channel."""

    channel: str
    refusal: Refusal

    @property
    def frame(self) -> bytes:
        """What the client is told."""
        told = self.refusal
        return frames.refused(self.channel, told.kind, told.message, status=told.status)


class Ping(msgspec.Struct, frozen=True, gc=False):
    """Write a WebSocket ping: it is answered by every client, whatever its SDK."""


class Ask(msgspec.Struct, frozen=True, gc=False):
    """
    Find out whether the client may join a channel.

    `Session.admitted` or `Session.refused` takes the answer.

    Attributes:
        channel: The channel's name.
        member: As whom the client joins; None for a channel without members.
    """

    channel: str
    member: Member | None


class Withdraw(msgspec.Struct, frozen=True, gc=False):
    """
    Let a question wait no more, if it was not asked yet: the client has given it up.

    `Session.refused` takes the answer, if it is not asked any more: the client hears nothing.

    Attributes:
        channel: The channel's name.
    """

    channel: str


class Leave(msgspec.Struct, frozen=True, gc=False):
    """
    Take the client off a channel.

    Attributes:
        channel: The channel's name.
        returns: Whether the client may come back: its connection closed, it did not unsubscribe.
    """

    channel: str
    returns: bool = False


class Relay(msgspec.Struct, frozen=True, gc=False):
    """
    Pass a client event on to the channel's other subscribers.

    Attributes:
        channel: Its name.
        frame: What they are sent.
        event: The name of the event.
        data: Its data, as it was sent; empty: it has none.
        user_id: Who sent it, in a presence channel; else empty.
    """

    channel: str
    frame: bytes
    event: str
    data: str
    user_id: str


class Types(msgspec.Struct, frozen=True, gc=False):
    """
    Know that the client's user types in a channel, or does so no more.

    Attributes:
        channel: Its name.
        user_id: Who.
        is_typing: Whether the user goes on.
    """

    channel: str
    user_id: str
    is_typing: bool


class HasSent(msgspec.Struct, frozen=True, gc=False):
    """Know that the client's user has sent what it typed in a channel, wherever it typed that."""

    channel: str
    user_id: str


class HasRead(msgspec.Struct, frozen=True, gc=False):
    """Know how far the client's user has read in a channel."""

    channel: str
    user_id: str
    mark: Mark


class SignedIn(msgspec.Struct, frozen=True, gc=False):
    """Know the client as this user from now on."""

    user: User


class KnownAs(msgspec.Struct, frozen=True, gc=False):
    """Know that the client acts for this user in some channel, signed in or not."""

    user_id: str


class Shows(msgspec.Struct, frozen=True, gc=False):
    """
    Know the client by tokens, whose names (``jti``) `Session.tokens` has all.

    Attributes:
        came: Those that count from now on.
        went: Those that count no more.
    """

    came: frozenset[str]
    went: frozenset[str] = frozenset()


class BelongsTo(NamedTuple):
    """
    Know whose the client's connection is from now on.

    Attributes:
        user_id: Empty: nobody's.
        device: What the client names the device; empty: it names none.
    """

    user_id: str
    device: str


NOBODYS = BelongsTo("", "")


class Away(msgspec.Struct, frozen=True, gc=False):
    """Know that the client's user is away from now on, or is back."""

    is_away: bool


class WatchUsers(msgspec.Struct, frozen=True, gc=False):
    """
    Tell the client from now on who of these users is online, and of no others.

    Attributes:
        user_ids: Each once; none: it is told nothing more.
    """

    user_ids: tuple[str, ...]


class Watch(msgspec.Struct, frozen=True, gc=False):
    """Look at the client earlier than was said before: `Session.next_tick` has changed."""


class Close(msgspec.Struct, frozen=True, gc=False):
    """
    Close the connection.

    The code decides whether the client returns (Pusher, "Connection closure").
    """

    code: int
    reason: str


Known = SignedIn | KnownAs | Shows | BelongsTo | Away | WatchUsers
UserWord = Types | HasSent | HasRead
Effect = Send | Refuse | Ping | Ask | Withdraw | Leave | Relay | UserWord | Known | Watch | Close


def error_told(why: Denied | Invalid) -> Send:
    """Tell the client what is wrong; it stays connected."""
    limit = "client_events" if isinstance(why, TooManyClientEvents) else ""
    return Send(frames.error(why.code, str(why)), limit)


def refusal_told(channel: str, why: Denied | Invalid) -> Refuse:
    """Tell why the client may not join a channel."""
    return Refuse(channel, refusal_of(why))
