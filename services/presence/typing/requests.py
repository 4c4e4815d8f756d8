"""
What back ends say of who types, and what is told of it.

Pure.  docs/presence.md, "Typing".
"""

from typing import Any

import msgspec

from libs.common.channels import Channel, check_user_id
from libs.common.errors import Invalid
from libs.common.json_text import JsonReader
from libs.common.typists.port import USUAL, Report, Typing


class NoTyping(Invalid):
    """Nobody is said to type in a channel."""

    def __init__(self) -> None:
        super().__init__(
            "nobody types in this channel: it is encrypted or a user's own, or "
            "presence.typing_ttl is 0"
        )


class BadWord(Invalid):
    """A body does not say who types."""

    def __init__(self, reason: str) -> None:
        super().__init__(f'expected {{"user_id": "7", "typing": true}}: {reason}')


class TooManyTypists(Invalid):
    """As many users type in a channel as are kept."""

    status = 429
    retry_after = 1.0  # Seconds: who types says so again, or has stopped by then.

    def __init__(self) -> None:
        super().__init__(f"{USUAL.typists} users type in this channel, and no more are kept")


class _SaidTyping(msgspec.Struct):
    user_id: str | int
    typing: bool = True


_decode_said = JsonReader(_SaidTyping).read


def check_typing(channel: Channel, *, ttl: float) -> None:
    """
    Check that users may type in a channel.

    Args:
        channel: The channel.
        ttl: Seconds for which they do, unless that is said again; 0: nobody ever does.

    Raises:
        NoTyping: They may not.
    """
    if ttl <= 0 or not channel.tells_of_users:
        raise NoTyping


def report_of(channel: Channel, body: bytes, *, ttl: float) -> Report:
    """
    Read who types, or has stopped.

    Args:
        channel: Where.
        body: As received; without ``typing`` the user types.
        ttl: Seconds for which it is so, unless it is said again.

    Raises:
        BadWord: The body says something else.
        BadUserId: No user can have this id.
    """
    try:
        said = _decode_said(body)
    except msgspec.ValidationError as error:
        raise BadWord(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadWord("the body is malformed") from error
    user_id = str(said.user_id)
    check_user_id(user_id)
    return Report(channel, user_id, source="", lasts=ttl if said.typing else 0.0)


def told_typing(typing: Typing) -> dict[str, Any]:
    """Tell who types, as far as users are listed, and how many do."""
    if typing.user_ids is None:
        return {"count": typing.count}
    return {"user_ids": typing.user_ids, "count": typing.count}
