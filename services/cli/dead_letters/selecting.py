"""Which dead letters there are: read from their topic, those that were sent again left out."""

from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass

from libs.common.eventlog.port import EventLog
from libs.common.eventlog.records import Record
from services.dispatcher.events.dead_letters import PutAside, put_aside, replayed


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterChoice:
    """
    Which letters are meant; what is empty says nothing.

    Attributes:
        ids: These alone.
        topic: Of records that stood in this topic.
        kind: Put aside for this reason, such as ``Unroutable``.
        with_replayed: Also those that were sent again.
    """

    ids: frozenset[str] = frozenset()
    topic: str = ""
    kind: str = ""
    with_replayed: bool = False

    def means(self, letter: PutAside) -> bool:
        """Tell whether a letter is meant."""
        return (
            (not self.ids or letter.id in self.ids)
            and self.topic in {"", letter.topic}
            and self.kind in {"", letter.kind}
        )


class DeadLetterTopic:
    """
    The topic of dead letters, read from its beginning to its present end.

    Args:
        events: Has the topic.
        name: Its name.
        looked: Called with how many records were looked at, and how many there are, about.

    Attributes:
        name: Its name.
        kinds: Those of the letters that were looked at, whether they were meant or not.
        topics: Where they stood.
    """

    def __init__(
        self, events: EventLog, name: str, looked: Callable[[int, int], None] = lambda *_: None
    ) -> None:
        self._events = events
        self.name = name
        self._looked = looked
        self.kinds: set[str] = set()
        self.topics: set[str] = set()

    async def letters(self, choice: LetterChoice) -> AsyncGenerator[list[PutAside], None]:
        """
        Yield the letters that are meant, some at a time, the oldest of each partition first.

        The topic is read twice: what was sent again stands behind the letters.  Of a letter that
        comes meanwhile nothing is known.

        Raises:
            Unavailable: It cannot be read.
        """
        done: set[str] = set()
        if not choice.with_replayed:
            async with aclosing(self._records()) as read:
                async for records in read:
                    done |= replayed(records)
        async with aclosing(self._records()) as read:
            async for records in read:
                some = [letter for letter in map(put_aside, records) if letter is not None]
                self.kinds |= {letter.kind for letter in some}
                self.topics |= {letter.topic for letter in some}
                meant = [each for each in some if each.id not in done and choice.means(each)]
                if meant:
                    yield meant

    async def ids(self, choice: LetterChoice) -> Collection[str]:
        """Name the letters that are meant."""
        return [letter.id async for some in self.letters(choice) for letter in some]

    async def _records(self) -> AsyncGenerator[list[Record], None]:
        count = 0
        async with self._events.browse(self.name) as browser:
            while records := await browser.next():
                count += len(records)
                self._looked(count, browser.total)
                yield records
