"""
The bus: ordered channels with a short memory, shared by every process.

`Bus` is the port, `MemoryBus` its reference implementation for a single process; `bus.redis` is the
other.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from libs.common.bus.messages import Broadcast, Cached, Delivery, Entry, Position, Publication
from libs.common.channels import Channel

TOKEN_TTL = 3600.0  # Seconds for which a publication's token is remembered.


@dataclass(frozen=True, slots=True)
class History:
    """
    Entries read back from a channel.

    Attributes:
        top: The channel's present position.
        entries: What follows the position asked for, in order, without a hole; None where the
            history no longer reaches back to it, or the epoch is another.
    """

    top: Position
    entries: tuple[Entry, ...] | None


class Listener(Protocol):
    """
    One process's ear on the bus.

    For each followed channel it yields entries in order of offset; an entry may come twice, and one
    that is missing is told by the next offset or by `Interrupted`.  Whispers, transitions and
    counts come at most once.
    """

    async def follow(self, channels: Collection[Channel]) -> dict[Channel, Position]:
        """
        Hear these channels from now on.

        Returns:
            Of each, its position at an instant after hearing began: later entries will be received.
            A channel whose part of the bus is away is missing here, and counts as not followed.

        Raises:
            Unavailable: The bus is away for all of them.  The channels count as not followed.
        """

    async def unfollow(self, channels: Collection[Channel]) -> None:
        """Stop hearing these channels; what is on its way may still be received."""

    async def receive(self, timeout: float) -> list[Delivery]:
        """
        Wait for deliveries, and take all that have arrived.

        Args:
            timeout: Seconds to wait for the first; an empty list when they are over.
        """


class Bus(Protocol):
    """
    Ordered channels with a short memory, shared by every process.

    A publish is appended and announced atomically.  A listener sees a channel's entries in order of
    offset; what it misses while it is cut off it can read again with `history`, for as long as
    `HistorySettings` says.

    Anybody may ask for any name, so asking stores nothing: the position of a channel that never had
    an entry is its origin, see `Position`, and leads to the history that begins later.
    """

    async def check(self) -> None:
        """
        Ask the backend whether it can be used now; an operator's question, which costs a little.

        Raises:
            Unavailable: It is away, or refuses what this process asks of it; the cause says why.
        """

    async def publish(self, publications: Sequence[Publication]) -> list[Position]:
        """
        Append broadcasts to their channels, in order, and announce them.

        A publication with a source that was applied before is not applied again; its answer is the
        channel's present position.  Nor is one with a token that its channel has seen within
        `TOKEN_TTL`.  A publication has a source or a token, never both: the source alone would
        decide.  A cache channel keeps what was applied last, in the same step (`last`).

        Returns:
            The position of each.

        Raises:
            Unavailable: At least one was not applied.  Those of a source or with a token may all be
                published again; of one channel and source, none was applied whose predecessor of
                this call was not.
        """

    async def claim(self, app: str, token: str, digest: str) -> bool:
        """
        Let a token of an app stand for a request, for `TOKEN_TTL` seconds from the first time.

        Args:
            app: The app's id.
            token: What the publisher calls the request.
            digest: Of the request.

        Returns:
            Whether it stands for this one; False: it stands for another.

        Raises:
            Unavailable: The bus is away.
        """

    async def last(self, channels: Collection[Channel]) -> dict[Channel, Cached | None]:
        """
        Read what cache channels keep; None where nothing was published within their time.

        That is ``cache_ttl`` of `HistorySettings`.  A channel whose part of the bus is away is
        missing in the answer.

        Raises:
            Unavailable: The bus is away for all of them.
        """

    async def whisper(self, channel: Channel, broadcast: Broadcast) -> None:
        """
        Announce a broadcast to who listens now; it enters no history.

        Raises:
            Unavailable: The bus is away.
        """

    async def history(self, channel: Channel, after: Position, *, limit: int) -> History:
        """
        Read entries again.

        Args:
            channel: The channel whose history it is.
            after: The last position that the caller has.
            limit: The most entries to return; with more to read, those nearest to ``after``.

        Raises:
            Unavailable: The bus is away.
        """

    async def tops(self, channels: Collection[Channel]) -> dict[Channel, Position]:
        """
        Read the present positions of channels.

        A channel whose part of the bus is away is missing in the answer.

        Raises:
            Unavailable: The bus is away for all of them.
        """

    def listen(self) -> AbstractAsyncContextManager[Listener]:
        """Open an ear on the bus; leaving the context closes it."""
