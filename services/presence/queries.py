"""
What back ends ask about users, and the cursors of long lists.

Pure.  docs/presence.md, "HTTP API".
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

import msgspec
from msgspec import Meta

from libs.common.channels import MAX_USER_ID, check_user_id
from libs.common.errors import Invalid
from libs.common.json_text import JsonReader, write

USUAL_PAGE = 100
MOST_ON_PAGE = 1000
MOST_USERS = 1000  # Of one question.

_MARK = 8  # Bytes of a cursor that tell which query it belongs to.


class BadListing(Invalid):
    """A list is asked for in a way that cannot be."""


class ForeignCursor(BadListing):
    """A cursor is not one that we gave for this query."""

    def __init__(self) -> None:
        super().__init__("cursor: it is not of this query; begin without one")


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
        cursor = None if is_last else _cursor(self.app, self.prefix, after=shown[-1])
        return {"users": shown, "cursor": cursor}


class _Named(msgspec.Struct):
    users: Annotated[list[str], Meta(max_length=MOST_USERS)]


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
    cursor = query.get("cursor", "")
    after = _after(cursor, app, prefix) if cursor else ""
    return Listing(app, prefix, _limit(query.get("limit", str(USUAL_PAGE))), after)


def users_of(body: bytes) -> list[str]:
    """
    Read which users are asked about, each once, in their order.

    Raises:
        BadUserList: The body is something else, or names too many.
        BadUserId: One cannot be a user's id.
    """
    try:
        users = list(dict.fromkeys(_decode_named(body).users))
    except msgspec.ValidationError as error:
        raise BadUserList(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadUserList("the body is malformed") from error
    for user in users:
        check_user_id(user)
    return users


def _limit(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
    if not 1 <= number <= MOST_ON_PAGE:
        raise BadListing(f"limit: expected a number from 1 to {MOST_ON_PAGE}")
    return number


def _mark(app: str, prefix: str) -> bytes:
    return sha256(write([app, prefix])).digest()[:_MARK]


def _cursor(app: str, prefix: str, *, after: str) -> str:
    text = base64.urlsafe_b64encode(_mark(app, prefix) + after.encode())
    return text.decode().rstrip("=")


def _after(cursor: str, app: str, prefix: str) -> str:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        mark, after = text[:_MARK], text[_MARK:].decode()
    except (binascii.Error, ValueError) as error:
        raise ForeignCursor from error
    if mark != _mark(app, prefix) or not after.startswith(prefix):
        raise ForeignCursor
    return after
