"""The tally of a single process: the reference implementation of `port.Tally`."""

from collections.abc import Callable, Sequence

from libs.common.bus.messages import Counted
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.roster.memory import MemoryRoster
from libs.common.roster.port import LeaseLost
from libs.common.tally.port import Count, Outcome, Subject


class MemoryTally:
    """
    A tally for one process.  See `Tally`.

    Args:
        announce: Puts a count on the bus.
        roster: Whose leases hold; it tells when it clears a gateway.
    """

    def __init__(self, announce: Callable[[Counted], None], roster: MemoryRoster) -> None:
        self._announce = announce
        self._roster = roster
        self._numbers: dict[Subject, dict[str, int]] = {}  # To gateway and number.
        roster.when_cleared(self._clear)

    async def report(self, gateway: str, counts: Sequence[Count]) -> list[Outcome | Unavailable]:
        """See `Tally.report`."""
        if self._roster.has_cleared(gateway):
            return [LeaseLost(gateway) for _ in counts]
        return [self._take(gateway, count) for count in counts]

    def _take(self, gateway: str, count: Count) -> Outcome:
        numbers = self._numbers.get(count.subject, {})
        mine = numbers.get(gateway, 0)
        others = sum(numbers.values()) - mine
        held = count.number
        if count.limit > 0:
            held = min(held, max(mine, count.limit - others))
        if held != mine:
            self._set(count.subject, gateway, held, announced=count.announced)
        silences = [self._roster.silence(name) for name in numbers if name != gateway]
        return Outcome(held, others + held, max(silences, default=0.0))

    def _set(self, subject: Subject, gateway: str, number: int, *, announced: bool) -> None:
        numbers = self._numbers.setdefault(subject, {})
        numbers[gateway] = number
        if number > 0:
            self._roster.expect(gateway)
        else:
            del numbers[gateway]
        if not numbers:
            del self._numbers[subject]
        if announced:
            self._announce(Counted(Channel(subject.app, subject.name), sum(numbers.values())))

    def _clear(self, gateway: str) -> int:
        held = [subject for subject, numbers in self._numbers.items() if gateway in numbers]
        for subject in held:
            self._set(subject, gateway, 0, announced=subject.kind == "channel")
        return len(held)

    async def totals(self, subjects: Sequence[Subject]) -> list[int]:
        """See `Tally.totals`."""
        return [sum(self._numbers.get(subject, {}).values()) for subject in subjects]

    async def channels(self, app: str, *, prefix: str, limit: int) -> list[str]:
        """See `Tally.channels`."""
        names = [
            subject.name
            for subject in self._numbers
            if subject.kind == "channel" and subject.app == app and subject.name.startswith(prefix)
        ]
        return sorted(names)[:limit]
