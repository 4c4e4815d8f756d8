"""
Token buckets.

Pure.  Callers pass ``now`` in monotonic seconds.
"""


class TokenBucket:
    """
    Allows ``rate`` acts a second, and as many at once after a pause.

    A rate of 0 or less allows everything.
    """

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: float, *, now: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._at = now

    def allow(self, now: float) -> bool:
        """Take a token, if there is one."""
        if self._rate <= 0:
            return True
        self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
