"""Insistence: work that is tried until its backends are back, because nothing may be passed over."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from libs.common.errors import Unavailable
from libs.common.retry import FIRST, LONGEST, Backoff

log = structlog.get_logger()

T = TypeVar("T")


class Insistence:
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

    async def done(self, attempt: Callable[[], Awaitable[T]]) -> T:
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
