"""
Typists: who is typing in which channel, on whatever gateway.

`Typists` is the port, `MemoryTypists` its reference implementation for a single process;
`typists.redis` is the other.  What is said lasts for seconds; a list that changed is announced on
the bus (`bus.messages.Typed`) by whoever decides that it did, in the same atomic step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from libs.common.channels import Channel


@dataclass(frozen=True, slots=True)
class TypingBounds:
    """
    How much there is of typing in one channel.

    Attributes:
        typists: The most, each source's counted on its own; who comes later waits.  Of as many
            users it is known when their typing was ended everywhere.
        listed: With more typists, or in a channel with more members, only their number is told.
        pause: Seconds between two announcements, at least.
        told_for: Seconds for which it is remembered what was announced last.
        ended_for: Seconds for which it is remembered that typing was ended everywhere; no word
            counts for longer.
    """

    typists: int = 1000
    listed: int = 200
    pause: float = 1.0
    told_for: float = 3600.0
    ended_for: float = 60.0


USUAL = TypingBounds()


class Report(NamedTuple):
    """
    What a source says of a user in a channel.

    Attributes:
        channel: Where.
        user_id: Who.
        source: Who says so: a gateway, by the name of its lease, or empty: the user's back end.  A
            user types for as long as one source says so.
        lasts: Seconds for which it is so, unless it is said again; 0: the user has stopped.
        everywhere: Whether who has stopped has done so for all sources: what was typed is sent.
        age: Seconds since the user said so.
    """

    channel: Channel
    user_id: str
    source: str
    lasts: float
    everywhere: bool = False
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class Typing:
    """
    Who is typing in a channel.

    Attributes:
        count: How many users.
        user_ids: Their ids, sorted as UTF-8; None: there are more than are listed, or the channel
            has more members.
        was_told: Whether subscribers were told of typists of late: who comes back may believe an
            old list.
    """

    count: int = 0
    user_ids: tuple[str, ...] | None = ()
    was_told: bool = False


NOBODY = Typing()


class Typists(Protocol):
    """
    Who is typing, shared by every process.

    A channel's list changes when its first source says that a user types, and when the last one's
    word is over.  A change is announced at once, or a pause after the one before; what ended by its
    time, and what had to wait, is announced by the next sweep of the leases
    (`leases.port.Leases.sweep`).  The list that was announced last is the true one by then.  One
    that is as it was announced before is announced again only where it was another in between:
    somebody may have read that.
    """

    async def check(self) -> None:
        """
        Ask the backend whether it can be used now; an operator's question, which costs a little.

        Raises:
            Unavailable: It is away, or refuses what this process asks of it; the cause says why.
        """

    async def report(self, reports: Sequence[Report]) -> list[bool]:
        """
        Take what sources say, in order.

        Returns:
            For each, whether it was taken: False where as many others type as may, and where its
            user's typing was ended everywhere since the user said so; the source has no word of
            that user then.

        Raises:
            Unavailable: The backend is away for at least one; all may be said again.
        """

    async def typing(self, channels: Sequence[Channel]) -> list[Typing]:
        """
        Tell who is typing now in each of these channels.

        Raises:
            Unavailable: The backend is away for at least one.
        """
