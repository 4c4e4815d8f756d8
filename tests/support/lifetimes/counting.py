"""
Subscriptions through all that befalls gateways: whatever happens, the tally agrees with a plain sum.

The gateways are those of `machine`.  They report their numbers as `services.gateway.channels.occupancy` does: each
change, and all that are not 0 whenever they seat their members anew.
"""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from libs.common.channels import Channel
from libs.common.leases.port import LeaseLost
from libs.common.tally.port import Outcome, Subject
from tests.support.lifetimes.drawn import APP, COUNTED, GATEWAYS, which
from tests.support.lifetimes.gateways import Gateway
from tests.support.lifetimes.machine import Lifetimes

Changes = Sequence[tuple[Channel, int]]

changes = st.lists(st.tuples(st.sampled_from(COUNTED), st.integers(0, 2)), min_size=1, max_size=6)


class Counting(Lifetimes):
    """As `Lifetimes`, with subscriptions that are counted."""

    @initialize(parties=st.tuples(changes, changes, changes))
    def begin_counting(self, parties: Sequence[Changes]) -> None:
        """Somebody is subscribed."""
        for at, each in enumerate(parties):
            self.subscribe(at, each)

    @precondition(lambda self: self.living)
    @rule(at=which, changes=changes)
    def subscribe(self, at: int, changes: Changes) -> None:
        """So many are subscribed to some channels at a gateway now."""
        gateway = self._living(at)
        for channel, number in changes:
            gateway.counts[channel] = number
            self.run(self._report(gateway, [channel]))
        self.run(self._agree())

    @rule(at=which, ticks=st.integers(0, 8))
    def die_together(self, at: int, ticks: int) -> None:
        """All gateways but one are killed at once, as on one machine; some time passes."""
        for each in range(GATEWAYS):
            if each != at:
                self.end(each, None)
        self.wait(ticks)

    async def _report(self, gateway: Gateway, channels: Sequence[Channel]) -> None:
        """Report some numbers, and all under another name if the present one is lost."""
        if not await self._report_as(gateway.name, gateway, channels):
            gateway.rename()
            await self._renew(gateway)

    async def _report_as(self, name: str, gateway: Gateway, channels: Sequence[Channel]) -> bool:
        """Report some numbers under a name; tell whether it is not lost."""
        answers = await gateway.report(name, channels)
        for channel, (number, answer) in zip(channels, answers, strict=True):
            truth = self._truth(channel)
            refusal = truth.report(name, channel, number)
            if refusal is None:
                assert isinstance(answer, Outcome)
                assert (answer.held, answer.total) == (number, truth.total(channel))
            else:
                assert type(answer) is refusal
        return all(not isinstance(answer, LeaseLost) for _, answer in answers)

    async def _restate(self, gateway: Gateway) -> None:
        await super()._restate(gateway)
        await self._report(gateway, [each for each, number in gateway.counts.items() if number])

    async def _end_in_order(self, gateway: Gateway, grace: float) -> None:
        former = gateway.name
        gateway.counts = dict.fromkeys(gateway.counts, 0)
        await self._report_as(former, gateway, list(gateway.counts))
        await super()._end_in_order(gateway, grace)

    async def _say_late(self, gateway: Gateway, former: str) -> None:
        """Say under a name that was lost what is counted, too: as a report does that was under way."""
        await super()._say_late(gateway, former)
        await self._report_as(former, gateway, list(gateway.counts)[:1])

    async def _agree(self, *, is_ordered: bool = True) -> None:
        """See that totals, and what was announced of them, are the truth, too."""
        await super()._agree(is_ordered=is_ordered)
        self._agree_on_announced(is_ordered=is_ordered)
        tally = self.world.processes[1].tally
        totals = {channel.name: self._truth(channel).total(channel) for channel in COUNTED}
        subjects = [Subject("channel", APP, name) for name in totals]
        assert await tally.totals(subjects) == [*totals.values()]
        there = sorted(name for name, total in totals.items() if total)
        assert await tally.channels(APP, prefix="", limit=9) == there

    def _agree_on_announced(self, *, is_ordered: bool) -> None:
        """See that each change of a total was announced, the present one last."""
        expected = [change for truth in self.truths for change in truth.counts]
        for truth in self.truths:
            truth.counts.clear()
        for channel in COUNTED:
            theirs = [total for where, total in expected if where == channel]
            ours = [one.total for one in self.counted if one.channel == channel]
            assert ours == theirs if is_ordered else len(ours) == len(theirs)
            assert ours[-1:] == theirs[-1:]
