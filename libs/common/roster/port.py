"""
The roster: who is a member of which presence channel, through which gateway, and which gateways live.

`Roster` is the port, `MemoryRoster` its reference implementation for a single process; `roster_redis` is the
other.  A *member* is a user in a channel, held there by one connection or more.  Transitions are announced on
the bus (`messages.Transition`) by whoever decides them, in the same atomic step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.common.channels import Channel
from libs.common.errors import Invalid, Unavailable


@dataclass(frozen=True, slots=True)
class Seat:
    """
    A connection's place in a presence channel.

    Attributes:
        channel: Where.
        socket_id: The connection; unique among all gateways.
        gateway: Who holds the connection: the lease that keeps the seat.  Without blanks.
    """

    channel: Channel
    socket_id: str
    gateway: str


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """
    A connection that wants a seat for a user.

    Attributes:
        seat: Which connection, where.
        user_id: Who.
        info: ``user_info`` as JSON text; that of the user's first connection is kept.
        limit: The most users that the channel may have; 0 or less is no limit.
    """

    seat: Seat
    user_id: str
    info: str
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Members:
    """
    Who is in a presence channel.

    Attributes:
        version: Raised by one with each transition; a later reading has no lower one, except after the
            roster lost data.  A channel that was empty may go on from a higher version.
        infos: User id to ``user_info`` as JSON text.
    """

    version: int
    infos: Mapping[str, str]


class TooManyMembers(Invalid):
    """A presence channel has as many users as its app allows."""

    code = 4100  # docs/protocol.md, "Subscribe / unsubscribe": the status of LimitReached.

    def __init__(self, limit: int) -> None:
        super().__init__(f"the channel already has {limit} members")
        self.limit = limit


class LeaseLost(Unavailable):
    """The gateway's lease was ended and its seats were cleared; it must return under a new name."""

    def __init__(self, gateway: str) -> None:
        super().__init__("roster")
        self.gateway = gateway


JoinAnswer = Members | TooManyMembers | Unavailable


class Roster(Protocol):
    """
    Members and leases, shared by every process.

    A user joins a channel with its first connection and leaves it with the last; each such transition is
    decided atomically, raises the channel's version by one and is announced once on the bus, in order.
    Joining and leaving twice is the same as once.

    A gateway takes a lease before its connections join, and renews it.  When a lease was found lapsed for
    longer than the grace period, `sweep` clears the gateway's seats, and the gateway is refused for a day.
    The grace period begins when a sweep finds the lease lapsed, so that an outage of the roster, in which
    nobody could renew, ends nobody's lease.  A gateway without a lease counts as one whose lease has lapsed.
    """

    async def join(self, requests: Sequence[JoinRequest]) -> list[JoinAnswer]:
        """
        Seat connections, each as if it were alone.

        A connection that is seated under another gateway's name passes to the gateway that asks.  One that
        is seated as another user gives up that seat first.

        Returns:
            For each request, in order, the channel's members at some moment after the seat was taken, the
            caller included; requests of one channel may share one reading.  Or why it has no seat:
            `TooManyMembers`: the user is new to the channel, and the channel is full.
            `LeaseLost`: the seat's gateway was cleared.
            Another `Unavailable`: the roster is away; the connection may be seated, and may ask again.
        """

    async def leave(self, seats: Sequence[Seat], *, grace: float) -> None:
        """
        Give up seats, at once or, with ``grace`` seconds, when they have passed and `sweep` is called.

        A user that joins again in the meantime never left.  A seat that passed to another gateway stays.

        Raises:
            Unavailable: The roster is away for at least one; call again, else it stays for as long as the
                gateway's lease.
        """

    async def members(self, channels: Sequence[Channel]) -> list[Members]:
        """
        Read who is in each of these channels.

        Raises:
            Unavailable: The roster is away for at least one.
        """

    async def sizes(self, channels: Sequence[Channel]) -> list[int]:
        """
        Read how many users each of these channels has.

        Raises:
            Unavailable: The roster is away for at least one.
        """

    async def renew(self, gateway: str, *, ttl: float) -> bool:
        """
        Take or renew a gateway's lease for ``ttl`` seconds.

        Returns:
            Whether the gateway had a lease.  If not, it is new, or a sweep found its lease lapsed, or the
            roster lost data, and perhaps the gateway's seats: it should join again with all that it has.

        Raises:
            LeaseLost: It was cleared.
            Unavailable: The roster is away, at least in part.
        """

    async def release(self, gateway: str) -> None:
        """
        End a gateway's lease now; its seats are cleared when the grace period has passed.

        Raises:
            Unavailable: The roster is away, at least in part.
        """

    async def sweep(self, *, grace: float) -> int:
        """
        Make final what is due: seats whose grace is over, and those of gateways whose lease lapsed.

        With the seats of such a gateway go its counts (`tally.Tally`).

        Several may sweep at once.  A call does a bounded amount of work.

        Args:
            grace: Seconds that a lease must have been known as lapsed before its seats are cleared.

        Returns:
            How many seats it cleared, and how many counts of a `tally.Tally`; call again at once while it is
            not 0.

        Raises:
            Unavailable: The roster is away, at least in part; the rest was swept.
        """
