"""
Memberships as values: who belongs to what, and how that changes.

Pure.  A group is a name that the operator chose, such as ``company:5``; nothing here knows what it
opens.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from libs.common.channels import MAX_USER_ID, is_user_id
from libs.common.errors import Invalid

# Characters of an app's id and of a group: with a user's id they fit into one notification.
MAX_NAME = 200


class Membership(NamedTuple):
    """
    A user of an app who belongs to a group.

    The names of app and group have 1 to `MAX_NAME` printable characters; a user's id keeps the rule
    of all users' ids (`libs.common.channels.is_user_id`).
    """

    app: str
    user: str
    group: str


@dataclass(frozen=True, slots=True)
class Put:
    """A membership began."""

    membership: Membership


@dataclass(frozen=True, slots=True)
class Removed:
    """
    A membership ended.

    Attributes:
        membership: The one that ended.
        at: When nobody found it any more, as near as the backend can tell, in UTC epoch seconds;
            two reports of one removal may differ in it.
    """

    membership: Membership
    at: float = field(compare=False)


@dataclass(frozen=True, slots=True)
class Missed:
    """Changes may have happened that the listener is not told: forget what you know."""


Change = Put | Removed | Missed


class BadName(Invalid):
    """A name of a membership is empty, too long, or has characters that do not print."""

    def __init__(self, part: str) -> None:
        most = MAX_USER_ID if part == "user" else MAX_NAME
        super().__init__(f"a membership's {part} is a text of 1 to {most} characters that print")
        self.part = part


class NotKeptHere(Invalid):
    """Memberships are read through a query, so they are changed and listed elsewhere."""

    status = 409

    def __init__(self) -> None:
        super().__init__(
            "memberships are read with auth.memberships.query: change them where they are kept"
        )


def check_membership(membership: Membership) -> None:
    """
    Check the names of a membership.

    Raises:
        BadName: One breaks the rule.
    """
    for part in Membership._fields:
        if not _keeps_rule(membership, part):
            raise BadName(part)


def can_be(membership: Membership) -> bool:
    """Tell whether a membership's names keep the rule: nobody belongs to what cannot be kept."""
    return all(_keeps_rule(membership, part) for part in Membership._fields)


def _keeps_rule(membership: Membership, part: str) -> bool:
    name: str = getattr(membership, part)
    if part == "user":
        return is_user_id(name)
    return 0 < len(name) <= MAX_NAME and name.isprintable()
