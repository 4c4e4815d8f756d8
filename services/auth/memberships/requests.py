"""
What back ends post about memberships: ``{"user": "7", "group": "campaign:5"}``, or many of those.

Pure.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from libs.common.json_text import JsonReader
from libs.common.memberships.membership import Membership, check_membership
from services.auth.bodies import BadBody

MOST = 1000  # Memberships of one request.


class _One(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One membership."""

    user: str | int
    group: str


class _Many(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Several."""

    memberships: Annotated[list[_One], Meta(min_length=1, max_length=MOST)]


_decode = JsonReader(dict[str, msgspec.Raw]).read
_decode_one = JsonReader(_One, takes_halves=False).read
_decode_many = JsonReader(_Many, takes_halves=False).read


def memberships_of(body: bytes, app: str) -> list[Membership]:
    """
    Read which memberships of an app a request is about.

    Raises:
        BadBody: It is malformed, or names none, or more than `MOST`.
        BadName: A name cannot be kept.
    """
    try:
        named = _decode_many(body).memberships if _is_many(body) else [_decode_one(body)]
    except msgspec.ValidationError as error:
        raise BadBody(f"invalid body: {error}") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise BadBody("the body is no JSON") from error
    memberships = [Membership(app, str(one.user), one.group) for one in named]
    for membership in memberships:
        check_membership(membership)
    return memberships


def _is_many(body: bytes) -> bool:
    return "memberships" in _decode(body)
