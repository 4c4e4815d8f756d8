"""
What a membership that ended had opened, and the command to close it.

Pure.  Of each policy whose ``member_of`` makes the group, the pattern is filled with the captures
that the group was made of; other captures become ``*``, any characters.  Such a name may fit a
channel that an earlier policy decides without the group: its subscribers are sent away too, and may
join again.  No other policy can have let the user in: the first that fits a channel is the only
one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from libs.common.control.commands import Command
from libs.common.memberships.membership import Removed
from libs.common.policies.policies import Policies

VERB = "expel"
REMEMBERED = 300.0  # Seconds at least: longer than a gateway is away.


def opened(policies: Policies, app: str, group: str) -> tuple[str, ...]:
    """
    Name the channels that a member of a group may join.

    Args:
        policies: Those of all apps.
        app: The app's id.
        group: Such as ``campaign:5``.

    Returns:
        Names, with ``*`` for what may differ, in the order of the policies.
    """
    names = []
    for pattern, template in policies.memberships(app):
        captures = template.captures_of(group)
        if captures is not None:
            names.append(pattern.filled(captures))
    return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Terms:
    """
    How long what was true before a removal goes on to count, in seconds.

    Attributes:
        answers: An answer that is remembered by a process that did not hear of the removal.
        permissions: A permission that such an answer, or a back end, has given.
    """

    answers: float
    permissions: float


def expel_command(
    removed: Removed, channels: Sequence[str], *, terms: Terms, now: float
) -> Command:
    """
    Write the command to every gateway: end the user's subscriptions of these channels.

    It concerns permissions that were given before the removal, or after it by a process that did
    not hear of it, and no later ones, however late this is written.  It is remembered as long as
    they may be good, and long enough to be heard by a gateway that was away.

    Args:
        removed: What ended, and when.
        channels: See `opened`.
        terms: How long answers and permissions go on to count.
        now: UTC epoch seconds.
    """
    # In whole seconds, so that each late report of one removal makes the same command.
    until = min(now, float(ceil(removed.at + terms.answers)))
    return Command(
        VERB,
        removed.membership.app,
        removed.membership.user,
        issued_at=until,
        expires_at=max(until + terms.permissions, now + REMEMBERED),
        channels=tuple(channels),
    )
