"""
How many may come in a second.

Pure.  Times are monotonic seconds.  The rule is GCRA: each takes its part of a second, and who
comes while a second's worth was taken already waits; where that is less than one, so does one.
"""


class AcceptRate:
    """
    A rate.

    Args:
        rate: How many a second; 0 or -1: any number.
    """

    def __init__(self, rate: float) -> None:
        self._part = 1.0 / rate if rate > 0 else 0.0
        self._ahead = max(0.0, 1.0 - self._part)  # Seconds that may be taken before they have come.
        self._taken_until = 0.0

    def wait(self, now: float) -> float:
        """Tell how many seconds the next one must wait."""
        return self._taken_until - now - self._ahead if self._part else 0.0

    def took(self, now: float) -> None:
        """Count one."""
        if self._part:
            self._taken_until = max(self._taken_until, now) + self._part
