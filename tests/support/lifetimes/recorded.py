"""
What is decided is recorded once, and brought to a receiver, by processes of which each may be taken over.

The gateways are those of `machine` and `counting`.  More is recorded than is kept, so that who reads late is told the
last of each place.  A consumer may stand still between taking partitions, reading, bringing and
noting, for as long as the model likes.
"""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from libs.common.channels import Channel
from libs.common.lifecycle.facts import Stream
from tests.support.lifetimes.consumers import Consumer
from tests.support.lifetimes.counting import Changes, Counting, changes
from tests.support.lifetimes.drawn import APP, which
from tests.support.lifetimes.logs import ALL, Log, Receiver
from tests.support.lifetimes.machine import TTL
from tests.support.lifetimes.worlds import BOUNDS
from tests.support.ports.rosters import MEMORY

CONSUMERS = 2

steps = st.sampled_from(
    ["take", "take", "read", "read", "read", "bring", "bring", "settle", "end in order", "end"]
)


class Recorded(Counting):
    """As `Counting`, with the streams, two consumers, and a receiver that is told."""

    def __init__(self) -> None:
        self.receiver = Receiver()
        self.logs: list[Log] = []
        super().__init__()
        self.logs += [Log(index, BOUNDS) for index in range(self.world.partitions)]
        self.consumers = [Consumer(self.world, side) for side in range(CONSUMERS)]

    @rule(at=st.integers(0, CONSUMERS - 1), steps=st.lists(steps, min_size=1, max_size=6))
    def consume(self, at: int, steps: Sequence[str]) -> None:
        """A consumer does some of what it does, and stands still then, or ends, in order or not."""
        for step in steps:
            self.run(self._do(step, self.consumers[at]))
            if step.startswith("end"):
                self.consumers[at] = Consumer(self.world, at)

    @rule(
        at=st.integers(0, CONSUMERS - 1), ticks=st.integers(0, 4), steps=st.lists(steps, max_size=4)
    )
    def pause(self, at: int, ticks: int, steps: Sequence[str]) -> None:
        """A consumer stands still between reading and noting, perhaps until the other has taken over."""
        self.consume(at, ["take", "read"])
        self.wait(ticks)
        self.consume(1 - at, ["take", *steps])
        self.consume(at, ["bring"])

    @precondition(lambda self: self.living)
    @rule(
        at=st.integers(0, CONSUMERS - 1),
        gateway=which,
        changes=changes,
        steps=st.lists(steps, max_size=4),
    )
    def fall_behind(self, at: int, gateway: int, changes: Changes, steps: Sequence[str]) -> None:
        """More becomes so than is kept, between what a consumer reads and what it does then."""
        self.consume(at, ["take", "read"])
        self.subscribe(gateway, changes)
        self.consume(at, ["bring", "settle", *steps])

    async def _do(self, step: str, consumer: Consumer) -> None:
        match step:
            case "take":
                await consumer.take(self.logs, now=self.truths[0].now, ttl=TTL)
            case "read":
                await consumer.read(self.logs, limit=3)
            case "bring":
                await consumer.bring(self.logs, self.receiver)
            case "settle":
                await consumer.settle(self.logs)
            case "end in order":
                await consumer.give_up(self.logs)

    def _lost(self, partition: int) -> None:
        super()._lost(partition)
        self.logs[partition].lose()
        if self.url == MEMORY:  # The process that had it is another one.
            self.logs[partition].fence = 0
            self.consumers = [Consumer(self.world, side) for side in range(CONSUMERS)]

    async def _end(self) -> None:
        """See that the receiver ends with what is so, however late it was read for."""
        await super()._end()
        await self.world.age(TTL)
        last = Consumer(self.world, 0)
        await last.take(self.logs, now=self.truths[0].now + TTL, ttl=TTL)
        await last.read(self.logs, limit=ALL)
        await last.bring(self.logs, self.receiver)
        for truth, log in zip(self.truths, self.logs, strict=True):
            epoch = log.records[-1].epoch if log.records else ""
            assert self.receiver.believes(log.partition, epoch) == truth.places()
            for name, count in self.receiver.counts(log.partition, epoch).items():
                assert count == truth.total(Channel(APP, name))

    async def _agree(self, *, is_ordered: bool = True) -> None:
        """See that the records are the truth, too."""
        await super()._agree(is_ordered=is_ordered)
        lifecycle = self.world.processes[0].lifecycle
        for truth, log in zip(self.truths, self.logs, strict=True):
            await log.follow(lifecycle, truth.facts, is_ordered=is_ordered)
            truth.facts.clear()
        heads = await lifecycle.heads(range(len(self.logs)))
        assert heads == {Stream(APP, one.partition): one.newest for one in self.logs if one.newest}
