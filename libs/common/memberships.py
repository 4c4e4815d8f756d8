"""
Memberships: who belongs to what, in each app.

`belonging` has the values.  `Memberships` is the port, `MemoryMemberships` its reference implementation for a single
process; `memberships_postgres` has the others.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol

from libs.common.belonging import Change, Membership, Missed, Put, Removed, check_membership

MAX_WAITING = 10_000  # Changes that wait for a listener.
KEPT = 3600.0  # Seconds for which a removal is told to listeners that begin.
MOST_KEPT = 5_000  # Removals, the newest, that a listener is told when it begins.
AT_ONCE = 1000  # Memberships that one question names, where that is one look at a table.


class ChangeListener(Protocol):
    """
    Hears of changes, each at most once and in the order in which they were made, interruptions aside.

    Removals are not lost while nobody listens: a listener that begins, or listens again after an interruption,
    is told of those that it may have missed, and perhaps again of others, as far as they are not older than `KEPT`
    seconds and not more than `MOST_KEPT`.  Where all memberships are removed with one stroke, as by ``TRUNCATE``,
    none is told.
    """

    async def receive(self, timeout: float) -> list[Change]:
        """
        Wait up to ``timeout`` seconds for changes, and take all that have arrived.

        Whatever is made after `Missed` came is told, until it comes again: after every interruption, and where
        more than `MAX_WAITING` changes waited.  Then the older half of removals that wait may be forgotten too.
        """


class Memberships(Protocol):
    """
    Who belongs to what.

    What was put or removed is seen by every question that begins later, in any process, and told to every
    listener of all of them, also where it was changed by other means than this port.
    """

    @property
    def at_once(self) -> int:
        """Return how many one question may name."""

    async def ask(self, memberships: Collection[Membership]) -> Mapping[Membership, bool | None]:
        """
        Tell of up to `at_once` memberships whether they are there.

        Returns:
            What is known, at least of the first.  For those that are missing there was no time: ask again.  None: the
            backend fails for this one, and may answer for others.

        Raises:
            Unavailable: The backend is away, for all of them.
        """

    async def has(self, membership: Membership) -> bool:
        """
        Tell whether a membership is there: `ask` for a single one.

        Raises:
            Unavailable: The backend is away, or fails for this one.
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
        bound: The most that wait, `Missed` aside.
    """

    def __init__(self, bound: int = MAX_WAITING) -> None:
        self._changes: deque[Change] = deque()
        self._bound = bound
        self._come = asyncio.Event()

    def add(self, change: Change) -> None:
        """Have a change wait."""
        if len(self._changes) > self._bound:
            removals = [each for each in self._changes if isinstance(each, Removed)]
            self._changes = deque([Missed(), *removals[-(self._bound // 2) :]])
        if not isinstance(change, Missed):
            self._changes.append(change)
        elif not self._changes or not isinstance(self._changes[0], Missed):
            self._changes.appendleft(change)  # Removals that wait say more than what is forgotten.
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
    """
    Memberships of one process, lost when it ends.  See `Memberships`.

    Args:
        clock: UTC epoch seconds.
    """

    at_once = AT_ONCE

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._known: dict[tuple[str, str], set[str]] = {}
        self._listeners: set[Waiting] = set()
        self._removals: deque[Removed] = deque(maxlen=MOST_KEPT)

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
        waiting = Waiting()
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
