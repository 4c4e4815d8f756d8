"""
The board: where each process of a deployment tells how it is, for operators.

`Board` is the port, `MemoryBoard` its reference implementation for a single process; `board.redis`
is the other.  What a process tells is `board.process_state.ProcessState`; the board keeps texts.
"""

from dataclasses import dataclass
from typing import Protocol

KEPT = 3600.0  # Seconds for which a process that fell silent is still named.
MOST = 1000  # Processes.  Beyond that those are forgotten which told least lately.
LONGEST = 65_536  # Bytes of a text.


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardEntry:
    """
    What a process told last.

    Attributes:
        process: Under which name.
        text: What it told.
        age: Seconds since then, by the clock of the board.
        is_silent: Whether it should have told again since: its lease has lapsed.
    """

    process: str
    text: bytes
    age: float
    is_silent: bool


class Board(Protocol):
    """
    What the processes of a deployment tell, each under a lease.

    A process tells again and again, before its lease lapses.  One that does not is silent: what it
    told last stands there for `KEPT` seconds more, so that it is seen that it is missing.
    """

    async def tell(self, process: str, text: bytes, *, ttl: float) -> None:
        """
        Put a text in the place of what the process told before, for ``ttl`` seconds.

        Raises:
            ValueError: The text is longer than `LONGEST`.
            Unavailable: The backend is away.
        """

    async def withdraw(self, process: str) -> None:
        """
        Take off what a process told: it ends in order.

        Raises:
            Unavailable: The backend is away.
        """

    async def read(self) -> list[BoardEntry]:
        """
        Read what stands there, in order of names.

        Raises:
            Unavailable: The backend is away.
        """


def check_length(text: bytes) -> None:
    """Raise ValueError if a text is longer than `LONGEST`."""
    if len(text) > LONGEST:
        raise ValueError(f"a text on the board has {LONGEST} bytes at most, not {len(text)}")
