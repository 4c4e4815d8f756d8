"""The tally of a single process: the reference implementation of `tally.port.Tally`."""

from collections.abc import Callable, Sequence

from libs.common.bus.messages import Counted
from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.leases.memory import MemoryLeases
from libs.common.leases.port import LeaseLost
from libs.common.lifecycle.facts import Fact, Kind
from libs.common.tally.port import LARGE, PAUSE, Count, Outcome, Subject


class MemoryTally:
    """
    A tally for one process.  See `Tally`.

    Args:
        announce: Puts a count on the bus.
        leases: For as long as they last, gateways are counted.
        decided: Told which channels were occupied and vacated.
    """

    def __init__(
        self,
        announce: Callable[[Counted], None],
        leases: MemoryLeases,
        *,
        decided: Callable[[Fact], None] = lambda _: None,
    ) -> None:
        self._announce = announce
        self._decided = decided
        self._leases = leases
        self._numbers: dict[Subject, dict[str, int]] = {}  # To gateway and number.
        self._counted: dict[Subject, float] = {}  # When a large channel's number was told last.
        leases.keep(self)

    async def report(self, gateway: str, counts: Sequence[Count]) -> list[Outcome | Unavailable]:
        """See `Tally.report`."""
        if self._leases.has_cleared(gateway):
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
        if not others:
            return Outcome(held, held)
        silences = [self._leases.silence(name) for name in numbers if name != gateway]
        return Outcome(held, others + held, max(silences, default=0.0))

    def _set(self, subject: Subject, gateway: str, number: int, *, announced: bool) -> None:
        numbers = self._numbers.setdefault(subject, {})
        before = sum(numbers.values())
        after = before - numbers.get(gateway, 0) + number
        numbers[gateway] = number
        if number > 0:
            self._leases.expect(gateway)
        else:
            del numbers[gateway]
        if not numbers:
            del self._numbers[subject]
            self._counted.pop(subject, None)
        self._note(subject, before, after)
        if announced:
            self._tell(subject, after)

    def _tell(self, subject: Subject, total: int) -> None:
        app, channel = subject.app, subject.name
        self._announce(Counted(Channel(app, channel), total))
        if channel.startswith("presence-"):
            return
        now = self._leases.clock()
        if total <= LARGE or now - self._counted.get(subject, -PAUSE) >= PAUSE:
            if total > LARGE:
                self._counted[subject] = now
            counted = Fact(kind="subscription_count", app=app, channel=channel, count=total)
            self._decided(counted)

    def _note(self, subject: Subject, before: int, after: int) -> None:
        if subject.kind != "channel" or subject.name.startswith("#"):
            return
        if (before > 0) is not (after > 0):
            kind: Kind = "channel_occupied" if after else "channel_vacated"
            self._decided(Fact(kind=kind, app=subject.app, channel=subject.name))

    def clear(self, gateways: Sequence[str]) -> int:
        """See `MemoryHoldings.clear`."""
        held = [
            (subject, gateway)
            for gateway in gateways
            for subject, numbers in self._numbers.items()
            if gateway in numbers
        ]
        for subject, gateway in held:
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
