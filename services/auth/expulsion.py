"""
What a membership that ended had opened, and the order to close it.

Pure.  Of each policy whose ``member_of`` makes the group, the pattern is filled with the captures that the group was
made of; other captures become ``*``, any characters.  Such a name may fit a channel that an earlier policy decides
without the group: its subscribers are sent away too, and may join again.  No other policy can have let the user in:
the first that fits a channel is the only one.
"""

from collections.abc import Sequence

from libs.common.belonging import Membership
from libs.common.orders import Order
from libs.common.policies import Policies

VERB = "expel"
REMEMBERED = (
    300.0  # Seconds: longer than a gateway is away, and than any answer is cached elsewhere.
)


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


def order(membership: Membership, channels: Sequence[str], *, now: float) -> Order:
    """
    Write the order to every gateway: end the user's subscriptions of these channels, as old as the order is.

    Args:
        membership: It ended.
        channels: See `opened`.
        now: UTC epoch seconds.
    """
    return Order(
        VERB,
        membership.app,
        membership.user,
        issued_at=now,
        expires_at=now + REMEMBERED,
        channels=tuple(channels),
    )
