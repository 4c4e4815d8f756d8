"""
The tally: how many connections each gateway has of something, and how many there are of it in all.

`Tally` is the port, `MemoryTally` its reference implementation for a single process; `tally_redis` is the
other.  What is counted is a `Subject`: the subscriptions of a channel, or the connections of an app, a user, a
tenant or an address.  It rests on the leases of the roster: what a dead gateway had is taken off with its seats.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.messages import Counted
from libs.common.roster import LeaseLost, MemoryRoster

Kind = Literal["channel", "app", "user", "tenant", "address"]


class Subject(NamedTuple):
    """
    What is counted.

    Attributes:
        kind: ``channel``: its subscriptions; the others: connections.
        app: The app's id.
        name: Of the channel, user, tenant or address; empty for the app itself.
    """

    kind: Kind
    app: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """
    How many a gateway has of a subject.

    Attributes:
        subject: Of what.
        number: How many, now; 0: none any more.
        limit: The most that all gateways may have together; 0 or less: no limit.
        announced: Whether a change of the total is put on the channel's feed (`messages.Counted`).
    """

    subject: Subject
    number: int
    limit: int = 0
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """
    What became of a count.

    Attributes:
        held: What the gateway is counted with: the number, or less where the limit forbids to raise it.
        total: What all gateways have together.
        silence: Seconds since another gateway that is counted renewed its lease, the one that did so longest ago;
            infinity: its lease lapsed, or it has none; 0: there is no other.  The longer, the likelier is it
            that one of them is dead, and that the total will soon be less.  No two readings of it are the same,
            so it is not compared.
    """

    held: int
    total: int
    silence: float = field(default=0.0, compare=False)


class Tally(Protocol):
    """
    Counts per gateway, shared by every process.

    A gateway reports how many it has, not by how many that changed, so that reporting twice is the same as
    once.  A count with a limit is raised as far as the limit allows, in one atomic step, and never lowered below
    what the gateway had.  A gateway whose seats the roster clears loses its counts with them, and what is left
    of a channel is announced; one that reports without a lease counts as one whose lease has lapsed.
    """

    async def report(self, gateway: str, counts: Sequence[Count]) -> list[Standing | Unavailable]:
        """
        Say how many a gateway has of each subject.

        Returns:
            For each count, in order, what became of it, or why it was not taken:
            `LeaseLost`: the gateway was cleared; it must return under a new name.
            Another `Unavailable`: that part of the backend is away; it may be reported again.
        """

    async def totals(self, subjects: Sequence[Subject]) -> list[int]:
        """
        Read what all gateways have together of each subject.

        Raises:
            Unavailable: The backend is away for at least one.
        """

    async def channels(self, app: str, *, prefix: str, limit: int) -> list[str]:
        """
        Name the channels of an app that have subscriptions.

        Args:
            app: The app's id.
            prefix: How the names begin.
            limit: The most to return; with more to name, any of them.

        Raises:
            Unavailable: At least a part of the backend is away.
        """


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

    async def report(self, gateway: str, counts: Sequence[Count]) -> list[Standing | Unavailable]:
        """See `Tally.report`."""
        if self._roster.has_cleared(gateway):
            return [LeaseLost(gateway) for _ in counts]
        return [self._take(gateway, count) for count in counts]

    def _take(self, gateway: str, count: Count) -> Standing:
        numbers = self._numbers.get(count.subject, {})
        mine = numbers.get(gateway, 0)
        others = sum(numbers.values()) - mine
        held = count.number
        if count.limit > 0:
            held = min(held, max(mine, count.limit - others))
        if held != mine:
            self._set(count.subject, gateway, held, announced=count.announced)
        silences = [self._roster.silence(name) for name in numbers if name != gateway]
        return Standing(held, others + held, max(silences, default=0.0))

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
