"""
Marks: how far each user has read in each channel.

`Marks` is the port, `MemoryMarks` its reference implementation for a single process;
`marks.postgres` is the other.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from libs.common.channels import Channel
from libs.common.errors import Invalid
from libs.common.marks.mark import Mark

AT_ONCE = 1000  # Readings that one call takes.

Reader = tuple[Channel, str]  # A channel, and a user's id.


class Reading(NamedTuple):
    """A user has read in a channel up to a mark."""

    channel: Channel
    user_id: str
    mark: Mark


class TooManyMarks(Invalid):
    """As many marks are kept as may be, of a channel or in memory, and none of the user's here."""

    status = 429

    def __init__(self, limit: int, *, of: str = "users are kept in this channel") -> None:
        super().__init__(f"marks of {limit} {of}, and no more")


class Marks(Protocol):
    """
    Marks, shared by every process, one for each user and channel.

    A mark moves forward alone: within an epoch to a higher number.  Another epoch is taken; callers
    let none through but the present one.
    """

    async def check(self) -> None:
        """
        Ask the backend whether it can be used now; an operator's question, which costs a little.

        Raises:
            Unavailable: It is away, or refuses what this process asks of it; the cause says why.
        """

    async def move(self, readings: Sequence[Reading]) -> list[Mark | TooManyMarks]:
        """
        Move marks, each as if it were alone, in order; what is answered stays.

        Args:
            readings: At most `AT_ONCE`.

        Returns:
            For each the mark that stands after all of them; or why there is none.

        Raises:
            Unavailable: The backend is away; some may have moved, and all may be moved again.
        """

    async def mark(self, channel: Channel, user_id: str) -> Mark | None:
        """
        Tell how far a user has read; None: nothing is kept.

        Raises:
            Unavailable: The backend is away.
        """

    async def standing(self, readers: Sequence[Reader]) -> list[Mark | None]:
        """
        Tell how far users have read, each in a channel, as `mark` does.

        Args:
            readers: At most `AT_ONCE`.

        Raises:
            Unavailable: The backend is away.
        """

    async def page(self, channel: Channel, *, after: str, limit: int) -> list[tuple[str, Mark]]:
        """
        Tell how far the users of a channel have read, in the order of their ids as UTF-8.

        Args:
            channel: The channel.
            after: Users up to this id are left out; empty: none.
            limit: The most to return.

        Raises:
            Unavailable: The backend is away.
        """

    async def read_by(self, app: str, user_id: str, *, limit: int) -> list[Reading]:
        """
        Tell how far a user has read in all channels, in the order of their names.

        Args:
            app: The app's id.
            user_id: The user's id.
            limit: The most to return.

        Raises:
            Unavailable: The backend is away.
        """

    async def erase(self, app: str, user_id: str) -> int:
        """
        Forget all marks of a user, and tell how many there were.

        Raises:
            Unavailable: The backend is away; some may have been forgotten.
        """

    async def forget(self, *, moved_before: float, limit: int) -> int:
        """
        Forget marks that nobody has told for long, a part at a time.

        Args:
            moved_before: Those that were told last before then, in UTC epoch seconds; some may be
                kept for up to an hour more.
            limit: The most of one call.

        Returns:
            How many were forgotten; 0: none is left.

        Raises:
            Unavailable: The backend is away.
        """
