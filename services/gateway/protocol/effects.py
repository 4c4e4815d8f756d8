"""
What a session wants done: values that it returns, and that `Connection` performs in order.

Pure.
"""

from dataclasses import dataclass
from typing import NamedTuple

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


@dataclass(frozen=True, slots=True)
class Send:
    """
    Write a frame to the client.

    Attributes:
        frame: The text of the message.
        limit: Which limit it tells of, as `libs.common.rates.limited` calls it; empty: none.
    """

    frame: bytes
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Tell the client, and operators, that it may not be in a channel."""

    channel: str
    refusal: Refusal

    @property
    def frame(self) -> bytes:
        """What the client is told."""
        told = self.refusal
        return frames.refused(self.channel, told.kind, told.message, status=told.status)


@dataclass(frozen=True, slots=True)
class Ping:
    """Write a WebSocket ping: it is answered by every client, whatever its SDK."""


@dataclass(frozen=True, slots=True)
class Ask:
    """
    Find out whether the client may join a channel.

    `Session.admitted` or `Session.refused` takes the answer.

    Attributes:
        channel: The channel's name.
        member: As whom the client joins; None for a channel without members.
    """

    channel: str
    member: Member | None


@dataclass(frozen=True, slots=True)
class Leave:
    """
    Take the client off a channel.

    Attributes:
        channel: The channel's name.
        returns: Whether the client may come back: its connection closed, it did not unsubscribe.
    """

    channel: str
    returns: bool = False


@dataclass(frozen=True, slots=True)
class Relay:
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


@dataclass(frozen=True, slots=True)
class Types:
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


@dataclass(frozen=True, slots=True)
class HasSent:
    """Know that the client's user has sent what it typed in a channel, wherever it typed that."""

    channel: str
    user_id: str


@dataclass(frozen=True, slots=True)
class HasRead:
    """Know how far the client's user has read in a channel."""

    channel: str
    user_id: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Know the client as this user from now on."""

    user: User


@dataclass(frozen=True, slots=True)
class KnownAs:
    """Know that the client acts for this user in some channel, signed in or not."""

    user_id: str


@dataclass(frozen=True, slots=True)
class Shows:
    """
    Know the client by the tokens that count now, `Session.tokens`.

    Attributes:
        before: Those that counted until now, by ``jti``.
    """

    before: frozenset[str]


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


@dataclass(frozen=True, slots=True)
class Away:
    """Know that the client's user is away from now on, or is back."""

    is_away: bool


@dataclass(frozen=True, slots=True)
class WatchUsers:
    """
    Tell the client from now on who of these users is online, and of no others.

    Attributes:
        user_ids: Each once; none: it is told nothing more.
    """

    user_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Watch:
    """Look at the client earlier than was said before: `Session.next_tick` has changed."""


@dataclass(frozen=True, slots=True)
class Close:
    """
    Close the connection.

    The code decides whether the client returns (Pusher, "Connection closure").
    """

    code: int
    reason: str


Known = SignedIn | KnownAs | Shows | BelongsTo | Away | WatchUsers
UserWord = Types | HasSent | HasRead
Effect = Send | Refuse | Ping | Ask | Leave | Relay | UserWord | Known | Watch | Close


def error_told(why: Denied | Invalid) -> Send:
    """Tell the client what is wrong; it stays connected."""
    limit = "client_events" if isinstance(why, TooManyClientEvents) else ""
    return Send(frames.error(why.code, str(why)), limit)


def refusal_told(channel: str, why: Denied | Invalid) -> Refuse:
    """Tell why the client may not join a channel."""
    return Refuse(channel, refusal_of(why))
