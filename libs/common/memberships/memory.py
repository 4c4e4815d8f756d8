"""Memberships of a single process: the reference implementation of `port.Memberships`."""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from libs.common.memberships.change_queue import ChangeQueue
from libs.common.memberships.membership import Change, Membership, Put, Removed, check_membership
from libs.common.memberships.port import AT_ONCE, KEPT, MOST_KEPT, ChangeListener


class MemoryMemberships:
    """
    Memberships of one process, lost when it ends.  See `Memberships`.

    Args:
        clock: UTC epoch seconds.
    """

    at_once = AT_ONCE

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._known: dict[tuple[str, str], set[str]] = {}
        self._listeners: set[ChangeQueue] = set()
        self._removals: deque[Removed] = deque(maxlen=MOST_KEPT)

    async def check(self) -> None:
        """See `Memberships.check`: it is this process."""

    async def ask(self, memberships: Collection[Membership]) -> dict[Membership, bool]:
        """See `Memberships.ask`."""
        return {each: each.group in self._known.get(each[:2], ()) for each in memberships}

    async def has(self, membership: Membership) -> bool:
        """See `Memberships.has`."""
        return (await self.ask([membership]))[membership]

    async def put(self, memberships: Collection[Membership]) -> int:
        """See `Memberships.put`."""
        for membership in memberships:
            check_membership(membership)
        return sum(map(self._put, memberships))

    async def remove(self, memberships: Collection[Membership]) -> int:
        """See `Memberships.remove`."""
        for membership in memberships:
            check_membership(membership)
        return sum(map(self._remove, memberships))

    async def of(self, app: str, user: str) -> tuple[str, ...]:
        """See `Memberships.of`."""
        return tuple(sorted(self._known.get((app, user), ())))

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[ChangeListener]:
        """See `Memberships.changes`."""
        waiting = ChangeQueue()
        for removed in self._removals:
            if removed.at > self._clock() - KEPT:
                waiting.add(removed)
        self._listeners.add(waiting)
        try:
            yield waiting
        finally:
            self._listeners.discard(waiting)

    def _put(self, membership: Membership) -> bool:
        groups = self._known.setdefault(membership[:2], set())
        if membership.group in groups:
            return False
        groups.add(membership.group)
        self._announce(Put(membership))
        return True

    def _remove(self, membership: Membership) -> bool:
        groups = self._known.get(membership[:2], set())
        if membership.group not in groups:
            return False
        groups.discard(membership.group)
        if not groups:
            del self._known[membership[:2]]
        removed = Removed(membership, self._clock())
        self._removals.append(removed)
        self._announce(removed)
        return True

    def _announce(self, change: Change) -> None:
        for listener in self._listeners:
            listener.add(change)
