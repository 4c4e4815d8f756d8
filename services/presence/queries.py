"""
What back ends ask about users.

Pure.  docs/presence.md, "HTTP API".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from libs.common.channels import MAX_USER_ID, check_user_id
from libs.common.errors import Invalid
from libs.common.json_text import JsonReader
from services.presence.pages import BadListing, ForeignCursor, cursor_of, last_of, limit_of

MOST_USERS = 1000  # Of one question.


class BadUserList(Invalid):
    """A body does not name users."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f'expected {{"users": ["7", …]}} with up to {MOST_USERS} users\' ids: {reason}'
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """
    A page of a list that is asked for.

    Attributes:
        app: The app's id.
        prefix: How the users' ids begin.
        limit: The most of them.
        after: The last one of the page before; empty: it is the first page.
    """

    app: str
    prefix: str
    limit: int
    after: str

    def page(self, users: Sequence[str]) -> dict[str, object]:
        """
        Answer with a page.

        Args:
            users: Those that follow, in order; one more than the limit, if there are so many.
        """
        shown = users[: self.limit]
        is_last = len(users) <= self.limit
        cursor = None if is_last else cursor_of(self.app, self.prefix, last=shown[-1])
        return {"users": shown, "cursor": cursor}


class _Named(msgspec.Struct):
    users: Annotated[list[str | int], Meta(max_length=MOST_USERS)]


_decode_named = JsonReader(_Named).read


def listing_of(app: str, query: Mapping[str, str]) -> Listing:
    """
    Read the query of a list: ``prefix``, ``limit`` and ``cursor``.

    Raises:
        BadListing: One of them cannot be.
        ForeignCursor: The cursor is of another query.
    """
    prefix = query.get("prefix", "")
    if len(prefix) > MAX_USER_ID or not prefix.isprintable():
        raise BadListing(f"prefix: no user's id begins so; ids have up to {MAX_USER_ID} characters")
    after = last_of(query, app, prefix)
    if after and not after.startswith(prefix):
        raise ForeignCursor
    return Listing(app, prefix, limit_of(query), after)


def users_of(body: bytes) -> list[str]:
    """
    Read which users are asked about, each once, in their order.

    Raises:
        BadUserList: The body is something else, or names too many.
        BadUserId: One cannot be a user's id.
    """
    try:
        users = list(dict.fromkeys(map(str, _decode_named(body).users)))
    except msgspec.ValidationError as error:
        raise BadUserList(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadUserList("the body is malformed") from error
    for user in users:
        check_user_id(user)
    return users
