"""
Lifecycle: streams of facts, each read by one process at a time.

`Lifecycle` is the port, `MemoryLifecycle` its reference implementation for a single process;
`lifecycle.redis` is the other.  Facts about members, occupied channels and users are recorded by
the scripts of the roster and the tally that decide them; others are told with `record`.

A *sink* is whoever does something with facts: a webhook of an app, a topic.  Each sink has a place
of its own in each stream, so that one that is slow delays no other.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import Fact, Kind, Recorded, Stream


class Fenced(Unavailable):
    """Another process owns the partition now: what this one wanted to note was not noted."""

    def __init__(self, partition: int) -> None:
        super().__init__("roster")
        self.partition = partition


class Wanted(Protocol):
    """Tells what is worth recording, so that what nobody reads takes no room."""

    def __call__(self, app: str, kind: Kind, /) -> bool:
        """Whether somebody wants facts of this kind of an app.  It never waits, and never fails."""


def nobody(_app: str, _kind: Kind, /) -> bool:
    """Want nothing.  See `Wanted`."""
    return False


class Bounds(NamedTuple):
    """
    How much a stream keeps for whoever has not read it.

    Attributes:
        facts: The newest ones; a backend may keep a twentieth more.
        subjects: Channels, members and users of which the last fact before those is kept.
    """

    facts: int
    subjects: int


BOUNDS = Bounds(facts=2_000, subjects=2_000)


@dataclass(frozen=True, slots=True)
class Page:
    """
    What a sink has not had yet of a stream.

    Attributes:
        records: The next ones, in order.
        lost: How many before and between them it had not had, and will not get, as too many waited:
            later ones told their subjects' states anew, or they told none, or there were too many
            subjects.
    """

    records: Sequence[Recorded]
    lost: int = 0

    @classmethod
    def after(cls, place: int | None, records: Sequence[Recorded]) -> Self:
        """Make the page after the last number that a sink had; None: it is new here."""
        if not records:
            return cls(records)
        had = records[0].number - 1 if place is None else place
        return cls(records, records[-1].number - had - len(records))


class Lifecycle(Protocol):
    """
    Streams of facts.

    A stream keeps the newest facts (`Bounds`).  Of those for which it has no room it keeps the last
    about each subject (`Fact.subject`), with its number and date: who reads late is told less, and
    ends with the same states.  What tells no state is dropped then, and so are the oldest of too
    many subjects.

    Partitions are owned: whoever reads takes them first, for a while, and what it notes after it
    gave one up, or another took it over, is refused.
    """

    @property
    def partitions(self) -> int:
        """How many partitions there are."""

    async def record(self, facts: Sequence[Fact]) -> None:
        """
        Record facts that no script decides, in their order.

        Raises:
            Unavailable: The backend is away; some may have been recorded.
        """

    async def attend(self, owner: str, *, ttl: float) -> Collection[str]:
        """
        Say that a process lives, for ``ttl`` seconds, and learn which do.

        Returns:
            The owners that said so and whose time is not over, this one among them.

        Raises:
            Unavailable: The backend is away.
        """

    async def take(
        self, owner: str, partitions: Collection[int], *, ttl: float
    ) -> Mapping[int, int]:
        """
        Take partitions, or keep them, for ``ttl`` seconds.

        Args:
            owner: A name that no other process ever has.
            partitions: Those that are wanted.
            ttl: Seconds.

        Returns:
            The partitions that are the owner's now, each with its fence: a number that is higher
            whenever another owner takes it.  What somebody else has is missing.

        Raises:
            Unavailable: The backend is away for all of them; else those it is away for are missing.
        """

    async def release(self, owner: str, partitions: Collection[int]) -> None:
        """
        Give up partitions; those of others stay theirs.

        Raises:
            Unavailable: The backend is away; what was not given up is the owner's until its time is
                over.
        """

    async def leave(self, owner: str) -> None:
        """Say that a process lives no more; raises as `attend` does."""

    async def heads(self, partitions: Collection[int]) -> Mapping[Stream, int]:
        """
        Name the streams of partitions that have facts, each with the number of its newest one.

        Raises:
            Unavailable: The backend is away for all of them; else those it is away for are missing.
        """

    async def read(
        self, stream: Stream, sink: str, *, limit: int, after: Recorded | None = None
    ) -> Page:
        """
        Read what follows the place of a sink; one that is new to a stream begins with its oldest.

        Args:
            stream: What to read.
            sink: Whose place counts.
            limit: The most records.
            after: What counts instead of its place: a record that it was brought.  After one of an
                epoch that is over comes the oldest.

        Raises:
            Unavailable: The backend is away.
        """

    async def advance(self, record: Recorded, sink: str, *, fence: int) -> None:
        """
        Note that a sink is done with a record and all before it.

        Args:
            record: The last of them.
            sink: Whose place it is.
            fence: That of the partition, as `take` gave it.

        Raises:
            Fenced: Somebody else has taken the partition.
            Unavailable: The backend is away; it may have been noted.
        """

    async def settle(self, stream: Stream, sinks: Collection[str], *, fence: int) -> None:
        """
        Drop what all sinks are done with, and the places of sinks that are no more.

        Args:
            stream: Whose.
            sinks: All that there are; without any, all facts are dropped.
            fence: That of the partition, as `take` gave it.

        Raises:
            Fenced: Somebody else has taken the partition.
            Unavailable: The backend is away.
        """
