"""
Token buckets.

Pure.  Callers pass ``now`` in monotonic seconds.
"""


class TokenBucket:
    """
    Allows ``rate`` acts a second, and as many at once after a pause.

    A rate of 0 or less allows everything; one of less than a whole act still allows one at once.
    """

    __slots__ = ("_at", "_tokens", "rate")

    def __init__(self, rate: float, *, now: float) -> None:
        self.rate = rate
        self._tokens = max(1.0, rate)
        self._at = now

    def allow(self, now: float) -> bool:
        """Take a token, if there is one."""
        if self.rate <= 0:
            return True
        self._tokens = min(max(1.0, self.rate), self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
