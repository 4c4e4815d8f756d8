"""
What is decided is recorded once, and brought to a receiver, by processes of which each may be taken over.

The gateways are those of `machine`.  A consumer may stand still between taking partitions, reading, bringing and
noting, for as long as the model likes.
"""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from libs.common.lifecycle.facts import Stream
from tests.support.lifetimes.consumers import ALL, APP, Consumer, Log, Receiver
from tests.support.lifetimes.machine import TTL, Lifetimes
from tests.support.ports.rosters import MEMORY

CONSUMERS = 2

consumers = st.integers(0, CONSUMERS - 1)


class Recorded(Lifetimes):
    """As `Lifetimes`, with the streams, two consumers, and a receiver that is told."""

    def __init__(self) -> None:
        self.receiver = Receiver()
        self.logs: list[Log] = []
        super().__init__()
        self.logs += [Log(index) for index in range(self.world.partitions)]
        self.consumers = [Consumer(self.world, side) for side in range(CONSUMERS)]

    @rule(consumer=consumers, limit=st.integers(1, 4))
    def read(self, consumer: int, limit: int) -> None:
        """A consumer takes what it can get, and reads."""
        now = self.truths[0].now
        self.run(self.consumers[consumer].take(self.logs, now=now, ttl=TTL))
        self.run(self.consumers[consumer].read(self.logs, limit=limit))

    @rule(consumer=consumers)
    def bring(self, consumer: int) -> None:
        """A consumer goes on with what it has read: it may have stood still, and been taken over."""
        self.run(self.consumers[consumer].bring(self.logs, self.receiver))

    @rule(consumer=consumers)
    def settle(self, consumer: int) -> None:
        """A consumer drops what was brought."""
        self.run(self.consumers[consumer].settle(self.logs))

    @rule(consumer=consumers, is_orderly=st.booleans())
    def replace(self, consumer: int, *, is_orderly: bool) -> None:
        """A consumer ends, in order or not, and another one is started."""
        if is_orderly:
            self.run(self.consumers[consumer].give_up(self.logs))
        self.consumers[consumer] = Consumer(self.world, consumer)

    def _lost(self, partition: int) -> None:
        super()._lost(partition)
        self.logs[partition].lose()
        if self.url == MEMORY:  # The process that had it is another one.
            self.logs[partition].fence = 0
            self.consumers = [Consumer(self.world, side) for side in range(CONSUMERS)]

    async def _end(self) -> None:
        """See that nothing is left that the receiver was not told."""
        await super()._end()
        await self.world.age(TTL)
        last = Consumer(self.world, 0)
        await last.take(self.logs, now=self.truths[0].now + TTL, ttl=TTL)
        await last.read(self.logs, limit=ALL)
        await last.bring(self.logs, self.receiver)
        assert all(each.id in self.receiver.had for log in self.logs for each in log.records)

    async def _agree(self, *, is_ordered: bool = True) -> None:
        """See that the records are the truth, too."""
        await super()._agree(is_ordered=is_ordered)
        await self._agree_on_records(is_ordered=is_ordered)

    async def _agree_on_records(self, *, is_ordered: bool) -> None:
        lifecycle = self.world.processes[0].lifecycle
        for truth, log in zip(self.truths, self.logs, strict=True):
            new = await log.follow(lifecycle)
            assert new == truth.facts if is_ordered else sorted(new) == sorted(truth.facts)
            truth.facts.clear()
        heads = await lifecycle.heads(range(len(self.logs)))
        assert heads == {
            Stream(APP, one.partition): len(one.records) for one in self.logs if one.records
        }
