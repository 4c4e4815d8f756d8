"""
Sightings that are not stored yet, in bounded memory.

Pure.  Of each user the newest is kept, whatever happens to the others: what does not fit is
counted, spans before users, and users before those who were seen later.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from libs.common.sightings.port import AT_ONCE
from libs.common.sightings.summary import Sighting, Summary, followed, summary_of

MOST_USERS = 100_000  # About 30 MB.
MOST_SPANS = 100_000


@dataclass(slots=True)
class DroppedSightings:
    """
    What did not fit since it was last asked.

    Attributes:
        users: Users of whom a sighting was forgotten.
        spans: Times of being online that were forgotten.
    """

    users: int = 0
    spans: int = 0

    def __bool__(self) -> bool:
        return bool(self.users or self.spans)


class PendingSightings:
    """
    What became of users, and is to be stored.

    Args:
        keeps_spans: Whether times of being online are kept at all.
        most_users: Users of whom something may wait.
        most_spans: Spans that may wait, of all users together.
    """

    def __init__(
        self, *, keeps_spans: bool, most_users: int = MOST_USERS, most_spans: int = MOST_SPANS
    ) -> None:
        self._keeps_spans = keeps_spans
        self._most_users = most_users
        self._most_spans = most_spans
        self._known: dict[tuple[str, str], Summary] = {}  # Who was seen last is at the end.
        self._spans = 0
        self._dropped = DroppedSightings()

    def __len__(self) -> int:
        return len(self._known)

    def add(self, sightings: Iterable[Sighting]) -> None:
        """Take transitions, each user's in order; one that comes again changes nothing."""
        for sighting in sightings:
            before = self._known.pop(sighting[:2], None)
            after = followed(before, sighting) if before else summary_of(sighting)
            self._put(before, self._bounded(before, after))
        while len(self._known) > self._most_users:
            summary = self._known.pop(next(iter(self._known)))
            self._spans -= len(summary.spans)
            self._dropped.users += 1

    def _bounded(self, before: Summary | None, after: Summary) -> Summary:
        if not self._keeps_spans:
            return replace(after, left_at=None, spans=())
        known = before.spans if before else ()
        if len(after.spans) > len(known) and self._spans >= self._most_spans:
            self._dropped.spans += 1
            return replace(after, spans=known)
        return after

    def _put(self, before: Summary | None, after: Summary) -> None:
        self._spans += len(after.spans) - (len(before.spans) if before else 0)
        self._known[after.app, after.user] = after

    def batches(self) -> Iterator[Sequence[Summary]]:
        """Yield all that waits now, of at most `AT_ONCE` users at a time."""
        every = iter(tuple(self._known.values()))
        while batch := tuple(islice(every, AT_ONCE)):
            yield batch

    def stored(self, batch: Iterable[Summary]) -> None:
        """Forget what was stored, but for users who were seen again meanwhile."""
        for summary in batch:
            key = summary.app, summary.user
            if self._known.get(key) is summary:
                del self._known[key]
                self._spans -= len(summary.spans)

    def dropped(self) -> DroppedSightings:
        """Tell what did not fit since this was last asked."""
        dropped, self._dropped = self._dropped, DroppedSightings()
        return dropped
