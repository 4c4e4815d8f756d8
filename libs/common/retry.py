"""
Trying again: how long to wait before a backend is tried once more, and trying until it is back.

Delays grow each time, and are never in step with those of others.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from libs.common.errors import Unavailable
from libs.common.outage import reason_of

FIRST = 0.1
LONGEST = 5.0

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
    Tries one thing after the other, each again and again while a backend is away.

    Args:
        first: See `Backoff`.
        longest: See `Backoff`.

    """

    def __init__(self, *, first: float = FIRST, longest: float = LONGEST) -> None:
        self._first = first
        self._longest = longest
        self._trouble: Unavailable | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether the last attempt found a backend away."""
        return self._trouble is not None

    def ensure(self) -> None:
        """
        Raise if it waits.

        Raises:
            Unavailable: It does; the cause says for which backend, and why.
        """
        if self._trouble is not None:
            backend, reason = self._trouble.backend, reason_of(self._trouble)
            raise Unavailable(backend) from ConnectionError(f"it waits for {backend}: {reason}")

    async def until_done(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it is done, for as long as that takes; what is no `Unavailable` ends it."""
        backoff = Backoff(self._first, self._longest)
        while True:
            try:
                result = await attempt()
            except Unavailable as error:
                self._trouble = error
                await asyncio.sleep(backoff.delay())
            else:
                self._trouble = None
                return result
