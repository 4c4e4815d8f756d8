"""
Memberships: who belongs to what, in each app.

`belonging` has the values.  `Memberships` is the port, `MemoryMemberships` its reference implementation for a single process;
`memberships_postgres` has the others.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol

from libs.common.belonging import Change, Membership, Missed, Put, Removed, check_membership

MAX_WAITING = 10_000  # Changes that wait for a listener.


class ChangeListener(Protocol):
    """Hears of changes, each at most once and in the order in which they were made."""

    async def receive(self, timeout: float) -> list[Change]:
        """
        Wait up to ``timeout`` seconds for changes, and take all that have arrived.

        Whatever is made after `Missed` came is told, until it comes again: after every interruption, and where
        more than `MAX_WAITING` changes waited.
        """


class Memberships(Protocol):
    """
    Who belongs to what.

    What was put or removed is seen by every `has` that begins later, in any process, and told to every
    listener of all of them, also where it was changed by other means than this port.
    """

    async def has(self, membership: Membership) -> bool:
        """
        Tell whether a membership is there.

        Raises:
            Unavailable: The backend is away.
        """

    async def put(self, memberships: Collection[Membership]) -> int:
        """
        Begin memberships, all or none; those that are there stay as they are.

        Returns:
            How many are new.

        Raises:
            BadName: A name cannot be kept.
            NotKeptHere: They are somebody else's.
            Unavailable: The backend is away; they may have been put.
        """

    async def remove(self, memberships: Collection[Membership]) -> int:
        """
        End memberships, all or none; those that are not there stay away.

        Returns:
            How many were there; raises as `put` does.
        """

    async def of(self, app: str, user: str) -> tuple[str, ...]:
        """Return the groups of a user, in order of their names; raises as `put` does."""

    def changes(self) -> AbstractAsyncContextManager[ChangeListener]:
        """Hear of changes while the context is open."""


class Waiting:
    """
    Changes that wait for one listener.  See `ChangeListener`.

    Args:
        bound: The most that wait; beyond, all are forgotten and `Missed` takes their place.
    """

    def __init__(self, bound: int = MAX_WAITING) -> None:
        self._changes: deque[Change] = deque()
        self._bound = bound
        self._come = asyncio.Event()

    def add(self, change: Change) -> None:
        """Have a change wait."""
        if isinstance(change, Missed) or len(self._changes) >= self._bound:
            self._changes.clear()
            change = Missed()
        self._changes.append(change)
        self._come.set()

    async def receive(self, timeout: float) -> list[Change]:
        """See `ChangeListener.receive`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._come.wait()
        self._come.clear()
        taken = list(self._changes)
        self._changes.clear()
        return taken


class MemoryMemberships:
    """Memberships of one process, lost when it ends.  See `Memberships`."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], set[str]] = {}
        self._listeners: set[Waiting] = set()

    async def has(self, membership: Membership) -> bool:
        """See `Memberships.has`."""
        return membership.group in self._known.get(membership[:2], ())

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
        waiting = Waiting()
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
        self._announce(Removed(membership))
        return True

    def _announce(self, change: Change) -> None:
        for listener in self._listeners:
            listener.add(change)
