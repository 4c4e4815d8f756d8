"""
The roster: who is a member of which presence channel, and through which gateway.

`Roster` is the port, `MemoryRoster` its reference implementation for a single process;
`roster.redis` is the other.  A *member* is a user in a channel, held there by one connection or
more.  Transitions are announced on the bus (`bus.messages.Transition`) by whoever decides them, in
the same atomic step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from libs.common.channels import Channel
from libs.common.errors import Invalid, Unavailable


@dataclass(frozen=True, slots=True)
class Seat:
    """
    A connection's place in a presence channel.

    Attributes:
        channel: Where the connection is.
        socket_id: The connection; unique among all gateways.
        gateway: The gateway that holds the connection: its lease keeps the seat.  Without blanks.
    """

    channel: Channel
    socket_id: str
    gateway: str


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """
    A connection that wants a seat for a user.

    Attributes:
        seat: The connection, and its channel.
        user_id: The user who is to be a member.
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
        version: Raised by one with each transition; a later reading has no lower one, except after
            the roster lost data.  A channel that was empty may go on from a higher version.
        infos: User id to ``user_info`` as JSON text.
    """

    version: int
    infos: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Seated:
    """
    How a channel is occupied.

    Attributes:
        since: When it got its first member, in UTC epoch seconds; 0: it has none.
        connections: How many seats are taken; those whose grace is running are.
        members: User id to ``user_info`` as JSON text.
    """

    since: float = 0.0
    connections: int = 0
    members: Mapping[str, str] = field(default_factory=dict)


class TooManyMembers(Invalid):
    """A presence channel has as many users as its app allows."""

    code = 4100  # docs/protocol.md, "Subscribe / unsubscribe": the status of LimitReached.

    def __init__(self, limit: int) -> None:
        super().__init__(f"the channel already has {limit} members")
        self.limit = limit


JoinAnswer = Members | TooManyMembers | Unavailable


class Roster(Protocol):
    """
    Members, shared by every process.

    A user's own channel (`channels.online_channel`) has the user's devices as its members.  While
    it has one the user is online, and is named by `online`.

    What is decided here is recorded in the lifecycle streams as far as somebody wants it
    (`lifecycle.port.Wanted`): members added and removed, users who come online and go offline.

    A user joins a channel with its first connection and leaves it with the last; each such
    transition is decided atomically, raises the channel's version by one and is announced once on
    the bus, in order.  Joining and leaving twice is the same as once.

    A gateway has a lease before its connections join (`leases.port.Leases`): they are seated for as
    long as it lasts.  The sweep of the leases clears the seats of a gateway that is cleared, and
    those whose grace is over.
    """

    async def check(self) -> None:
        """
        Ask the backend whether it can be used now; an operator's question, which costs a little.

        Raises:
            Unavailable: It is away, or refuses what this process asks of it; the cause says why.
        """

    async def join(self, requests: Sequence[JoinRequest]) -> list[JoinAnswer]:
        """
        Seat connections, each as if it were alone.

        A connection that is seated under another gateway's name passes to the gateway that asks.
        One that is seated as another user gives up that seat first.

        Returns:
            For each request, in order, the channel's members at some moment after the seat was
            taken, the caller included; requests of one channel may share one reading.  Or why it
            has no seat:
            `TooManyMembers`: the user is new to the channel, and the channel is full.
            `LeaseLost`: the seat's gateway was cleared.
            Another `Unavailable`: the roster is away; the connection may be seated, and may ask
                again.
        """

    async def leave(self, seats: Sequence[Seat], *, grace: float) -> None:
        """
        Give up seats, at once, or in the first sweep of the leases after ``grace`` seconds.

        A user that joins again in the meantime never left.  A seat that passed to another gateway
        stays.

        Raises:
            Unavailable: The roster is away for at least one; call again, else it stays for as long
                as the gateway's lease.
        """

    async def describe(self, requests: Sequence[JoinRequest]) -> None:
        """
        Change the ``info`` of users who are members, without announcing it.

        Whoever reads the members later finds it.  A seat that another gateway has, or where another
        user sits, changes nothing; the limit of a request does not count.

        Raises:
            Unavailable: The roster is away for at least one; some may have been changed.
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

    async def seated(self, channels: Sequence[Channel]) -> list[Seated]:
        """
        Read how each of these channels is occupied.

        Raises:
            Unavailable: The roster is away for at least one.
        """

    async def online(self, app: str, *, prefix: str, after: str, limit: int) -> list[str]:
        """
        Name users who are online, in the order of their ids as UTF-8.

        Args:
            app: The app's id.
            prefix: How the ids begin.
            after: Those up to this id are left out; empty: none.
            limit: The most to return.

        Raises:
            Unavailable: At least a part of the roster is away.
        """
