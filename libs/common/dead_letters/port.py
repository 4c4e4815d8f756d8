"""
Dead letters: webhooks that could not be delivered, for an operator to look at and to send again.

`DeadLetters` is the port; `memory.py` is the reference implementation, `postgres.py` the other.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from libs.common.lifecycle.facts import Fact

LetterPlace = tuple[float, str]  # When it was given up, and its id: the list is in order of it.
START: LetterPlace = (0.0, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """
    A request that was given up.

    Attributes:
        id: The ``webhook-id``.
        app: The app's id.
        webhook: The webhook's name.
        facts: What it told.
        reason: Why the last try failed.
        tries: How many there were.
        first_at: When the first one began, in UTC epoch seconds.
        died_at: When it was given up.
    """

    id: str
    app: str
    webhook: str
    facts: tuple[Fact, ...]
    reason: str
    tries: int
    first_at: float
    died_at: float

    @property
    def place(self) -> LetterPlace:
        """Where it is in the list."""
        return self.died_at, self.id

    def without(self, user: str) -> "DeadLetter":
        """Return it without the facts about a user: what others did is told all the same."""
        return replace(self, facts=tuple(fact for fact in self.facts if fact.user != user))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """
    Which dead letters are meant.

    Attributes:
        app: The app's id; empty: of any.
        webhook: The webhook's name; empty: of any.
        ids: Those with these ids; empty: any.
    """

    app: str = ""
    webhook: str = ""
    ids: frozenset[str] = frozenset()

    def has(self, letter: DeadLetter) -> bool:
        """Tell whether a letter is meant."""
        return (
            self.app in {"", letter.app}
            and self.webhook in {"", letter.webhook}
            and (not self.ids or letter.id in self.ids)
        )


class DeadLetters(Protocol):
    """
    A list that is bounded by number and by age: the oldest go first.

    Both bounds may be passed by a little for a while.  Every method raises `Unavailable` where the
    backend is away.
    """

    async def check(self) -> None:
        """Ask the backend whether it can be used now; raises Unavailable if not."""

    async def keep(self, letter: DeadLetter) -> None:
        """Keep a letter, in the place of one with the same id."""

    async def count(self, selection: Selection) -> int:
        """Count letters."""

    async def read(
        self, selection: Selection, *, after: LetterPlace = START, limit: int
    ) -> Sequence[DeadLetter]:
        """
        Read letters, the oldest first.

        Args:
            selection: Which.
            after: The place of the last one that was read.
            limit: The most.
        """

    async def remove(self, ids: Collection[str]) -> None:
        """Forget letters; those that are not there are gone already."""

    async def erase(self, app: str, user: str) -> int:
        """
        Take the facts about a user out of all letters; one that tells of nobody else is forgotten.

        Returns:
            How many letters told of the user.
        """
