"""What should stand in the lifecycle streams, and what a receiver makes of what it is told of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from libs.common.lifecycle.facts import Recorded, Stream
from libs.common.lifecycle.port import Bounds, Lifecycle
from tests.support.lifetimes.drawn import APP
from tests.support.lifetimes.truth import PRESENT, Place, Told, place_of

ALL = 10_000


def told(record: Recorded) -> Told:
    """Tell what a record is about."""
    return record.fact.kind, record.fact.channel, record.fact.user


@dataclass(slots=True)
class Log:
    """
    One partition's stream as it should be.

    Attributes:
        partition: Which.
        bounds: How much is kept.
        records: What was recorded since data were lost, in order; without what was left out at once.
        newest: How many facts that were, all of them.
        done: Up to which number the sink has noted.
        settled: Up to which number all was dropped.
        owner: Who may note; empty: nobody.
        until: When somebody else may take it.
        fence: The highest that was given.
    """

    partition: int
    bounds: Bounds
    records: list[Recorded] = field(default_factory=list)
    newest: int = 0
    done: int = 0
    settled: int = 0
    owner: str = ""
    until: float = 0.0
    fence: int = 0

    def left(self, after: int) -> list[Recorded]:
        """Tell what is still to be had after a number: the newest, and the last of each place before."""
        bound = self.newest - self.bounds.facts
        last = {place_of(told(each)): each for each in self.records if each.number <= bound}
        kept = [*last.values(), *(each for each in self.records if each.number > bound)]
        return sorted((one for one in kept if one.number > after), key=lambda one: one.number)

    def missing(self, page: Sequence[Recorded]) -> int:
        """Tell how many a sink will not be told up to the end of a page, if it had anything before."""
        if not page:
            return 0
        first = self.done or page[0].number - 1
        return len(set(range(first + 1, page[-1].number)) - {each.number for each in page})

    async def follow(
        self, lifecycle: Lifecycle, facts: Sequence[Told], *, is_ordered: bool
    ) -> None:
        """Read what is new, and see that it is what became so: recorded once, the last of each place kept."""
        page = await lifecycle.read(Stream(APP, self.partition), "nobody", limit=ALL)
        new = [each for each in page.records if each.number > self.newest]
        self.records += new
        self.newest += len(facts)
        assert list(page.records) == self.left(self.settled)
        assert len({each.epoch for each in self.records}) <= 1
        _agree([told(each) for each in new], facts, is_ordered=is_ordered)

    def lose(self) -> None:
        """Forget all, but which fences were given."""
        self.records, self.newest, self.done, self.settled = [], 0, 0, 0
        self.owner, self.until = "", 0.0


def _agree(new: Sequence[Told], facts: Sequence[Told], *, is_ordered: bool) -> None:
    if len(new) == len(facts):
        order = _lane if is_ordered else None
        assert sorted(new, key=order) == sorted(facts, key=order)
        return
    assert Counter(new) <= Counter(facts)
    assert {place_of(each): each for each in new} == {place_of(each): each for each in facts}


def _lane(fact: Told) -> tuple[str, str]:
    """Tell what a fact is about: facts about one channel, or one user, are in order."""
    _, channel, user = fact
    return channel, "" if channel else user


@dataclass(slots=True)
class Receiver:
    """
    Whoever is told, at least once, and knows what it had by the ids.

    Attributes:
        had: By id.
    """

    had: dict[str, Recorded] = field(default_factory=dict)

    def take(self, records: Sequence[Recorded]) -> None:
        """Take records; what comes again under an id is the same."""
        for each in records:
            assert self.had.setdefault(each.id, each) == each

    def believes(self, partition: int, epoch: str) -> set[Place]:
        """Tell what it takes for being there, by the last that it was told."""
        last = {place_of(told(each)): each for each in self._ordered(partition, epoch)}
        return {place for place, each in last.items() if each.fact.kind in PRESENT}

    def counts(self, partition: int, epoch: str) -> dict[str, int]:
        """Tell how many it takes for being subscribed to each channel, by the last that it was told."""
        facts = (each.fact for each in self._ordered(partition, epoch))
        return {fact.channel: fact.count for fact in facts if fact.kind == "subscription_count"}

    def _ordered(self, partition: int, epoch: str) -> Iterable[Recorded]:
        theirs = (
            each
            for each in self.had.values()
            if (each.stream.partition, each.epoch) == (partition, epoch)
        )
        return sorted(theirs, key=lambda each: each.number)
