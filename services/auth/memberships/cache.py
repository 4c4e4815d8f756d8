"""
The cache of memberships: is this user a member of that group, as was answered lately?

Pure.  Callers pass ``now``, monotonic seconds.  Both answers are kept, yes and no, and apart: a
user may ask for any group that comes to mind and be told no, and nobody's yes is forgotten for it.
When there are more than `size` of a kind, the one that nobody has asked for the longest is (LRU).
"""

from collections import OrderedDict

from libs.common.memberships.membership import Membership


class MembershipCache:
    """
    Answers to lookups of memberships, each for a while.

    Args:
        ttl: Seconds for which an answer counts, from the instant of its question.
        size: Answers that are kept at most, of either kind.
    """

    def __init__(self, *, ttl: float, size: int) -> None:
        self._ttl = ttl
        self._size = size
        self._yes: OrderedDict[Membership, float] = OrderedDict()  # Until when it counts.
        self._no: OrderedDict[Membership, float] = OrderedDict()

    def get(self, membership: Membership, *, now: float) -> bool | None:
        """Return an answer that still counts; None: there is none."""
        for answer, known in ((True, self._yes), (False, self._no)):
            until = known.get(membership)
            if until is None:
                continue
            if now < until:
                known.move_to_end(membership)
                return answer
            del known[membership]
        return None

    def keep(self, membership: Membership, *, is_member: bool, now: float) -> None:
        """Remember an answer to what was asked at ``now``."""
        self.drop(membership)
        known = self._yes if is_member else self._no
        known[membership] = now + self._ttl
        if len(known) > self._size:
            known.popitem(last=False)

    def drop(self, membership: Membership) -> None:
        """Forget an answer."""
        self._yes.pop(membership, None)
        self._no.pop(membership, None)

    def clear(self) -> None:
        """Forget all."""
        self._yes.clear()
        self._no.clear()

    def __len__(self) -> int:
        return len(self._yes) + len(self._no)
