"""A tally that can be away, and what tests say of counts in few words."""

from collections.abc import Sequence

from libs.common.bus.messages import Counted
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.leases.memory import MemoryLeases
from libs.common.tally.memory import MemoryTally
from libs.common.tally.port import Count, Outcome, Subject, Tally
from tests.support.fakes.faults import FaultyBus


class FaultyTally:
    """
    A tally for one process, with faults that a test switches on.

    Attributes:
        inner: The tally itself.
        is_away: Whether every call fails, and changes nothing.
        refusals: How many calls found it away.
        reports: What was reported, call by call, also while it was away.
    """

    def __init__(self, bus: FaultyBus, leases: MemoryLeases) -> None:
        self.inner = MemoryTally(bus.inner.announce, leases)
        self.is_away = False
        self.refusals = 0
        self.reports: list[Sequence[Count]] = []

    async def report(self, gateway: str, counts: Sequence[Count]) -> list[Outcome | Unavailable]:
        """See `Tally.report`."""
        self.reports.append(counts)
        if self.is_away:
            self.refusals += 1
            return [Unavailable("roster") for _ in counts]
        return await self.inner.report(gateway, counts)

    async def totals(self, subjects: Sequence[Subject]) -> list[int]:
        """See `Tally.totals`."""
        self._check()
        return await self.inner.totals(subjects)

    async def channels(self, app: str, *, prefix: str, limit: int) -> list[str]:
        """See `Tally.channels`."""
        self._check()
        return await self.inner.channels(app, prefix=prefix, limit=limit)

    def numbers(self, subject: Subject) -> dict[str, int]:
        """Return what each gateway has of a subject, also while the tally is away."""
        return dict(self.inner._numbers.get(subject, {}))

    def held(self, subject: Subject) -> int:
        """Return what all gateways have of a subject."""
        return sum(self.numbers(subject).values())

    def subjects(self) -> set[Subject]:
        """Return what is counted."""
        return set(self.inner._numbers)

    def clear(self, gateway: str) -> None:
        """Take off what a gateway has, as a sweep does once its lease is over."""
        self.inner.clear([gateway])

    def lose_data(self) -> None:
        """Forget all numbers, and tell nobody."""
        self.inner._numbers.clear()

    def _check(self) -> None:
        if self.is_away:
            self.refusals += 1
            raise Unavailable("roster")


def subscriptions(channel: Channel) -> Subject:
    """Name what is counted of a channel."""
    return Subject("channel", channel.app, channel.name)


def counted(channel: Channel, *totals: int) -> list[Counted]:
    """Say what is announced of a channel."""
    return [Counted(channel, total) for total in totals]


async def stand(
    tally: Tally, gateway: str, subject: Subject, number: int, *, limit: int = 0
) -> Outcome:
    """Report one number, announced if it is a channel's, and see that it is taken."""
    count = Count(subject, number, limit, announced=subject.kind == "channel")
    (outcome,) = await tally.report(gateway, [count])
    assert isinstance(outcome, Outcome)
    return outcome


async def total(tally: Tally, subject: Subject) -> int:
    """Read one total."""
    (number,) = await tally.totals([subject])
    return number
