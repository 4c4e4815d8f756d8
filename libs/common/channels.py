"""
Channel names and what their prefixes mean.

Pure.  Prefixes are anchored and exact: ``private-x`` is private, ``my-private-x`` and ``privatex``
are public.  Source: Pusher, "Channels", and docs/protocol.md, "Channel types by prefix".
"""

import re
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from libs.common.errors import Invalid
from libs.common.escaping import escape, unescape
from libs.common.json_text import is_whole

MAX_NAME = 164  # Characters, prefix included (Pusher, "Channel naming conventions").
MAX_USER_ID = 128  # Characters (Pusher, "Presence channels").
# Bytes, as JSON, that a sign-in may carry: a quarter of what gateways read at once.
MAX_CLAIMS = 16_000
MAX_EVENT = 200  # Characters of an event name.
USER_PREFIX = "#server-to-user-"
ONLINE_PREFIX = "#online-"
CANARY_PREFIX = "#canary-"  # See `libs.common.canary`.
RESERVED_EVENTS = ("pusher:", "pusher_internal:", "fanfare:")

_CACHE = ("cache-", "private-cache-", "private-encrypted-cache-", "presence-cache-")
_TELLING = (*_CACHE, "private-", "private-encrypted-", "presence-", USER_PREFIX)
_NAME = re.compile(r"[-a-zA-Z0-9_=@,.;]+")
_SOCKET_ID = re.compile(r"[0-9]{1,20}\.[0-9]{1,20}")


class Kind(Enum):
    """What a channel's prefix makes of it."""

    PUBLIC = "public"
    PRIVATE = "private"
    ENCRYPTED = "encrypted"
    PRESENCE = "presence"
    USER = "user"


_WITH_TOKEN = (Kind.PRIVATE, Kind.ENCRYPTED, Kind.PRESENCE)


class Channel(NamedTuple):
    """A channel of an app: the key of every port."""

    app: str
    name: str

    @property
    def kind(self) -> Kind:
        """What the prefix of the name says."""
        return kind_of(self.name)

    @property
    def is_presence(self) -> bool:
        """Whether the channel has members."""
        return self.name.startswith("presence-")

    @property
    def is_online(self) -> bool:
        """Whether a user's connections are seated in it; see `online_channel`."""
        return self.name.startswith(ONLINE_PREFIX)

    @property
    def tells_of_users(self) -> bool:
        """
        Whether subscribers can be told who types in the channel, and how far each has read.

        Neither of an encrypted one, where clients decrypt all that they are told, nor of a user's
        own.
        """
        return self.kind is not Kind.ENCRYPTED and not self.name.startswith("#")

    @property
    def is_cache(self) -> bool:
        """Whether the channel keeps its last event."""
        return self.name.startswith(_CACHE)


class ChannelUser(NamedTuple):
    """A user in a channel: who types there, has sent something, or reads it."""

    channel: Channel
    user_id: str


class BadChannelName(Invalid):
    """A channel's name is empty, too long, or has a character that is not allowed."""

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(f"invalid channel name {name[:MAX_NAME]!r}: {rule}")
        self.name = name
        self.rule = rule


class BadEventName(Invalid):
    """An event's name is empty, too long, or reserved."""

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(f"invalid event name {name[:MAX_EVENT]!r}: {rule}")
        self.name = name
        self.rule = rule


class BadUserId(Invalid):
    """A user's id is empty, too long, or has what cannot be printed."""

    def __init__(self) -> None:
        super().__init__(f"a user's id must have 1 to {MAX_USER_ID} printable characters")


class BadSocketId(Invalid):
    """A socket id is not two numbers joined by a full stop."""

    def __init__(self, socket_id: str) -> None:
        super().__init__(
            f"invalid socket_id {socket_id[:64]!r}: expected digits, a full stop, digits"
        )


@lru_cache(maxsize=8192)
def kind_of(name: str) -> Kind:
    """Tell a channel's kind from its name."""
    if name.startswith("private-encrypted-"):
        return Kind.ENCRYPTED
    if name.startswith("private-"):
        return Kind.PRIVATE
    if name.startswith("presence-"):
        return Kind.PRESENCE
    if name.startswith(USER_PREFIX):
        return Kind.USER
    return Kind.PUBLIC


def is_settled(beginning: str) -> bool:
    """Tell whether all names that begin so are of one kind, and keep their last event or do not."""
    return not any(prefix.startswith(beginning) and prefix != beginning for prefix in _TELLING)


def needs_token(name: str) -> bool:
    """Tell whether who joins a channel must show a token."""
    return kind_of(name) in _WITH_TOKEN


def check_channel(name: str, *, longest: int = MAX_NAME) -> None:
    """
    Check a channel's name.

    Args:
        name: As received.  ``#`` is allowed only as the start of ``#server-to-user-``, after which
            any user's id may stand: clients make that name themselves.
        longest: The most characters allowed, but for a user's own channel.

    Raises:
        BadChannelName: The name breaks a rule; the error says which.
    """
    if name.startswith(USER_PREFIX):
        if not is_user_id(name.removeprefix(USER_PREFIX)):
            raise BadChannelName(name, f"what follows {USER_PREFIX} is no user's id")
        return
    if not name:
        raise BadChannelName(name, "it is empty")
    if len(name) > longest:
        raise BadChannelName(name, f"it is longer than {longest} characters")
    if not _NAME.fullmatch(name):
        raise BadChannelName(name, "allowed are letters, digits and _ - = @ , . ;")


def is_user_id(user_id: str) -> bool:
    """Whether a text can be a user's id: 1 to `MAX_USER_ID` characters that can be printed."""
    return 0 < len(user_id) <= MAX_USER_ID and user_id.isprintable()


def check_user_id(user_id: str) -> None:
    """
    Check a user's id, by the one rule that holds wherever one is taken.

    Raises:
        BadUserId: It breaks that rule.
    """
    if not is_user_id(user_id):
        raise BadUserId


def check_event(name: str, *, longest: int = MAX_EVENT) -> None:
    """
    Check the name of an event that comes from outside.

    Raises:
        BadEventName: It is empty, longer than ``longest`` characters, begins with a reserved
            prefix, or has half of a surrogate pair.
    """
    if not name:
        raise BadEventName(name, "it is empty")
    if len(name) > longest:
        raise BadEventName(name, f"it is longer than {longest} characters")
    if not is_whole(name):
        raise BadEventName(name, "it has half of a surrogate pair")
    if name.startswith(RESERVED_EVENTS):
        prefix = next(prefix for prefix in RESERVED_EVENTS if name.startswith(prefix))
        raise BadEventName(name, f"names that begin with {prefix} are reserved")


def check_socket_id(socket_id: str) -> None:
    """
    Check a socket id, so that it cannot smuggle a separator into a string to sign.

    Raises:
        BadSocketId: It does not match ``digits.digits`` (Pusher, "Generating the authentication
            string").
    """
    if not _SOCKET_ID.fullmatch(socket_id):
        raise BadSocketId(socket_id)


def online_channel(app: str, user: str) -> Channel:
    """
    Name the channel in which a user's connections are seated while the user is online.

    No client can name it: `check_channel` refuses it.
    """
    return Channel(app, ONLINE_PREFIX + escape(user))


def online_user(channel: Channel) -> str:
    """Tell whose channel it is, as `online_channel` names them; empty: nobody's."""
    return unescape(channel.name.removeprefix(ONLINE_PREFIX)) if channel.is_online else ""
