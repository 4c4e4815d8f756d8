"""
The body of a request of a short way, while it is on its way.

A little of it is kept until it is wanted, so much as came with the head; more is not read from the
connection.  What nobody wants is dropped as it comes.
"""

import asyncio
from collections.abc import Callable
from io import BytesIO


class Arriving:
    """
    A body that is not whole yet.

    Args:
        size: Bytes that it will have; 1 at least.
        want: Called once it is wanted, with the seconds that it may take from then on.
    """

    __slots__ = ("_error", "_kept", "_missing", "_waiting", "_want")

    def __init__(self, size: int, want: Callable[[float], None]) -> None:
        # It gives out what it holds without a copy, and grows with what came.
        self._kept: BytesIO | None = BytesIO()
        self._missing = size
        self._want = want
        self._waiting: asyncio.Future[None] | None = None
        self._error: OSError | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all of it came."""
        return not self._missing

    @property
    def unwanted(self) -> int:
        """The bytes that are kept, while nobody waits for the rest."""
        return self._kept.tell() if self._kept and self._waiting is None else 0

    def take(self, data: bytes) -> bytes:
        """Take what belongs to it, and return what comes behind it."""
        own = data[: self._missing]
        self._missing -= len(own)
        if self._kept is not None:
            self._kept.write(own)
        if not self._missing:
            self._wake()
        return data[len(own) :]

    def drop(self) -> None:
        """Keep nothing of it any more."""
        self._kept = None

    def lose(self, error: OSError) -> None:
        """Have whoever waits for it, or will, learn that it does not come."""
        self._error = error
        self.drop()
        self._wake()

    async def read(self, timeout: float) -> bytes:
        """Wait until it is whole; see `Coming.read`."""
        if self._missing and self._error is None:
            self._waiting = asyncio.get_running_loop().create_future()
            self._want(timeout)
            try:
                await self._waiting
            finally:
                self._waiting = None
        if self._error is not None or self._kept is None:
            raise self._error or ConnectionError("the body was dropped")
        body = self._kept.getvalue()
        self._kept = None
        return body

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
