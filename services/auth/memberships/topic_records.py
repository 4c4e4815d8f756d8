"""
Records that tell of memberships, in a compacted topic.

Pure.  The key names a membership, the value says whether it is there.  A key is ``app/user/group``;
where the app or the user may have a ``/``, it is JSON: ``{"app": "1", "user": "7", "group":
"campaign:5"}``.  A record without a value, a tombstone, ends the membership, and so does the value
``null``; any other begins it.
"""

from collections.abc import Iterable

import msgspec

from libs.common.errors import Invalid
from libs.common.eventlog.records import Record
from libs.common.json_text import JsonReader
from libs.common.memberships.membership import BadName, Membership, check_membership


class Malformed(Invalid):
    """A record names no membership; the reason quotes nothing of it."""


class _Key(msgspec.Struct, frozen=True):
    """A key in JSON."""

    app: str
    user: str | int
    group: str


_decode_key = JsonReader(_Key, takes_halves=False).read


def membership_of(record: Record) -> tuple[Membership, bool]:
    """
    Read a record: which membership, and whether it is there.

    Raises:
        Malformed: It tells of none.
    """
    if not record.key:
        raise Malformed("the key is missing")
    membership = _from_json(record.key) if record.key.startswith(b"{") else _from_text(record.key)
    try:
        check_membership(membership)
    except BadName as error:
        raise Malformed(str(error)) from error
    return membership, record.value not in {None, b"null"}


def latest(told: Iterable[tuple[Membership, bool]]) -> tuple[list[Membership], list[Membership]]:
    """Tell which memberships are there and which are not, after what was told in this order."""
    known = dict(told)
    there = [membership for membership, is_there in known.items() if is_there]
    return there, [membership for membership, is_there in known.items() if not is_there]


def _from_text(key: bytes) -> Membership:
    try:
        app, user, group = key.decode().split("/", 2)
    except ValueError as error:  # UnicodeDecodeError is such.
        raise Malformed("the key is neither app/user/group nor JSON") from error
    return Membership(app, user, group)


def _from_json(key: bytes) -> Membership:
    try:
        named = _decode_key(key)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("the key is JSON without app, user and group as texts") from error
    return Membership(named.app, str(named.user), named.group)
