"""
Memberships: who belongs to what, in each app.

`membership.py` has the values.  `memory.py` is the reference implementation, for a single process;
`postgres.py` and `postgres_query.py` are the others.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from libs.common.memberships.membership import Change, Membership

KEPT = 3600.0  # Seconds for which a removal is told to listeners that begin.
MOST_KEPT = 5_000  # Removals, the newest, that a listener is told when it begins.
AT_ONCE = 1000  # Memberships that one question names, where that is one look at a table.


class ChangeListener(Protocol):
    """
    Hears of changes, each at most once and in their order, interruptions aside.

    Removals are not lost while nobody listens: a listener that begins, or listens again after an
    interruption, is told of those that it may have missed, and perhaps again of others, as far as
    they are not older than `KEPT` seconds and not more than `MOST_KEPT`.  Where all memberships are
    removed with one stroke, as by ``TRUNCATE``, none is told.
    """

    async def receive(self, timeout: float) -> list[Change]:
        """
        Wait up to ``timeout`` seconds for changes, and take all that have arrived.

        Whatever is made after `Missed` came is told, until it comes again: after every
        interruption, and where more than `MAX_WAITING` changes waited.  Then the older half of
        removals that wait may be forgotten too.
        """


class Memberships(Protocol):
    """
    Who belongs to what.

    What was put or removed is seen by every question that begins later, in any process, and told to
    every listener of all of them, also where it was changed by other means than this port.
    """

    @property
    def at_once(self) -> int:
        """Return how many one question may name."""

    async def check(self) -> None:
        """
        Ask the backend whether it can be used now; an operator's question, which costs a little.

        Raises:
            Unavailable: It is away, or refuses what this process asks of it; the cause says why.
        """

    async def ask(self, memberships: Collection[Membership]) -> Mapping[Membership, bool | None]:
        """
        Tell of up to `at_once` memberships whether they are there.

        Returns:
            What is known, at least of the first.  For those that are missing there was no time: ask
            again.  None: the backend fails for this one, and may answer for others.

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
            NotKeptHere: The memberships are kept elsewhere.
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
