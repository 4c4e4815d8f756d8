"""
The tally: how many connections each gateway has of something, and how many there are of it in all.

`Tally` is the port, `MemoryTally` its reference implementation for a single process; `tally.redis`
is the other.  What is counted is a `Subject`: the subscriptions of a channel, or the connections of
an app, a user, a tenant or an address.  It rests on leases (`leases.port`): what a gateway had that
was cleared is taken off.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import msgspec

from libs.common.errors import Unavailable

# Pusher, "Subscription counting": a small channel's number is told at each change, a large one's
# now and then.
LARGE = 100  # Subscriptions above which a channel counts as large.
PAUSE = 5.0  # Seconds between two numbers of a large channel.

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


class Count(msgspec.Struct, frozen=True):
    """
    How many a gateway has of a subject.

    Attributes:
        subject: What is counted.
        number: How many, now; 0: none any more.
        limit: The most that all gateways may have together; 0 or less: no limit.
        announced: Whether a change of the total is put on the channel's feed (`messages.Counted`).
    """

    subject: Subject
    number: int
    limit: int = 0
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a count.

    Attributes:
        held: What the gateway is counted with: the number, or less where the limit forbids to raise
            it.
        total: What all gateways have together.
        silence: Seconds since another gateway that is counted renewed its lease, the one that did
            so longest ago; infinity: its lease lapsed, or it has none; 0: there is no other.  The
            longer, the likelier is it that one of them is dead, and that the total will soon be
            less.  No two readings of it are the same, so it is not compared.
    """

    held: int
    total: int
    silence: float = field(default=0.0, compare=False)


class Tally(Protocol):
    """
    Counts per gateway, shared by every process.

    That a channel was occupied, by its first subscription, or vacated, with its last, is recorded
    in the lifecycle streams if somebody wants it (`lifecycle.port.Wanted`).  So is each number that
    is announced, but for presence channels; that of a large one once in `PAUSE` seconds.

    A gateway reports how many it has, not by how many that changed, so that reporting twice is the
    same as once.  A count with a limit is raised as far as the limit allows, in one atomic step,
    and never lowered below what the gateway had.  A gateway that is cleared loses its counts, and
    what is left of a channel is announced; one that reports without a lease counts as one whose
    lease has lapsed.
    """

    async def report(self, gateway: str, counts: Sequence[Count]) -> list[Outcome | Unavailable]:
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
