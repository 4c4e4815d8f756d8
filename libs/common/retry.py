"""How long to wait before trying a backend again: longer each time, never in step with others."""

import random

FIRST = 0.1
LONGEST = 5.0


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
