"""
Pages of long lists: how much is on one, and the cursors that lead to the next.

Pure.  A cursor says where the page before ended, and of which query it was.
"""

import base64
import binascii
from collections.abc import Mapping
from hashlib import sha256

from libs.common.errors import Invalid
from libs.common.json_text import write

USUAL_PAGE = 100
MOST_ON_PAGE = 1000

_MARK = 8  # Bytes of a cursor that tell which query it belongs to.


class BadListing(Invalid):
    """A list is asked for in a way that cannot be."""


class ForeignCursor(BadListing):
    """A cursor is not one that we gave for this query."""

    def __init__(self) -> None:
        super().__init__("cursor: it is not of this query; begin without one")


def limit_of(query: Mapping[str, str]) -> int:
    """
    Read how many are asked for: ``limit``.

    Raises:
        BadListing: It is no number from 1 to `MOST_ON_PAGE`.
    """
    text = query.get("limit", str(USUAL_PAGE))
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
    if not 1 <= number <= MOST_ON_PAGE:
        raise BadListing(f"limit: expected a number from 1 to {MOST_ON_PAGE}")
    return number


def cursor_of(*asked: str, last: str) -> str:
    """
    Write a cursor.

    Args:
        asked: What makes the query: other words, another list.
        last: The last one of the page.
    """
    text = base64.urlsafe_b64encode(_digest(asked) + last.encode())
    return text.decode().rstrip("=")


def last_of(query: Mapping[str, str], *asked: str) -> str:
    """
    Read where the page before ended: ``cursor``; empty: there was none.

    Raises:
        ForeignCursor: The cursor is of another query, or none of ours.
    """
    cursor = query.get("cursor", "")
    if not cursor:
        return ""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        digest, last = text[:_MARK], text[_MARK:].decode()
    except (binascii.Error, ValueError) as error:
        raise ForeignCursor from error
    if digest != _digest(asked):
        raise ForeignCursor
    return last


def _digest(asked: tuple[str, ...]) -> bytes:
    return sha256(write(asked)).digest()[:_MARK]
