"""
The cache of memberships: is this user a member of that group, as was answered lately?

Pure.  Callers pass ``now``, monotonic seconds.  Both answers are kept, yes and no.  When there are
more than `size`, the answer that nobody has asked for the longest is forgotten (LRU).
"""

from collections import OrderedDict

from libs.common.memberships.membership import Membership


class MembershipCache:
    """
    Answers to lookups of memberships, each for a while.

    Args:
        ttl: Seconds for which an answer counts, from the instant of its question.
        size: Answers that are kept at most.
    """

    def __init__(self, *, ttl: float, size: int) -> None:
        self._ttl = ttl
        self._size = size
        self._known: OrderedDict[Membership, tuple[bool, float]] = OrderedDict()

    def get(self, membership: Membership, *, now: float) -> bool | None:
        """Return an answer that still counts; None: there is none."""
        answer, until = self._known.get(membership, (None, now))
        if until <= now:
            self._known.pop(membership, None)
            return None
        self._known.move_to_end(membership)
        return answer

    def keep(self, membership: Membership, *, is_member: bool, now: float) -> None:
        """Remember an answer to what was asked at ``now``."""
        self._known[membership] = is_member, now + self._ttl
        self._known.move_to_end(membership)
        if len(self._known) > self._size:
            self._known.popitem(last=False)

    def drop(self, membership: Membership) -> None:
        """Forget an answer."""
        self._known.pop(membership, None)

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()

    def __len__(self) -> int:
        return len(self._known)
