"""
Trying again: how long to wait before a backend is tried once more, and trying until it is back.

Delays grow each time, and are never in step with those of others.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from libs.common.errors import Unavailable

FIRST = 0.1
LONGEST = 5.0

log = structlog.get_logger()

T = TypeVar("T")


class Backoff:
    """
    Delays between attempts: each up to twice the last, to a limit, with full jitter.

    Args:
        first: The upper bound of the first delay, in seconds.
        longest: The upper bound of all, in seconds.
    """

    def __init__(self, first: float = FIRST, longest: float = LONGEST) -> None:
        self._first = first
        self._longest = longest
        self._bound = first

    def delay(self) -> float:
        """Return the seconds to wait before the next attempt."""
        bound, self._bound = self._bound, min(self._longest, self._bound * 2)
        # The lower half is left out, so that an outage is never answered with a busy loop.
        return bound * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing

    def reset(self) -> None:
        """Begin anew: the backend answered."""
        self._bound = self._first


class Retry:
    """
    Tries again and again; it is said once that a backend is away, and once that it is back.

    Args:
        name: Whose work it is: ``pipeline`` logs ``pipeline.waiting`` and ``pipeline.going_on``.
        first: See `Backoff`.
        longest: See `Backoff`.

    Attributes:
        is_waiting: Whether a backend is away.
    """

    def __init__(self, name: str, *, first: float = FIRST, longest: float = LONGEST) -> None:
        self._waiting = f"{name}.waiting"
        self._going_on = f"{name}.going_on"
        self._first = first
        self._longest = longest
        self.is_waiting = False

    async def until_done(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it is done, for as long as that takes; what is no `Unavailable` ends it."""
        backoff = Backoff(self._first, self._longest)
        while True:
            try:
                result = await attempt()
            except Unavailable as error:
                self._note(error)
                await asyncio.sleep(backoff.delay())
            else:
                self._note(None)
                return result

    def _note(self, error: Unavailable | None) -> None:
        if (error is not None) == self.is_waiting:
            return
        self.is_waiting = error is not None
        if error:
            log.warning(self._waiting, backend=error.backend, error=str(error.__cause__))
        else:
            log.info(self._going_on)
