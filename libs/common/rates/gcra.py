"""
The generic cell rate algorithm, as memory and ``take.lua`` have it.

Pure.  Of what was allowed one number is kept, ``earned_at``.
"""

GRAIN = 1e-6  # Seconds: no clock here is finer, and sums of fractions are not exact.


def judge(
    earned_at: float, *, now: float, rate: float, cost: int, burst: float | None = None
) -> tuple[float, float]:
    """
    Decide about an act.

    What is further ahead than a burst is cut to that: the clock was put back, or the rate raised.

    Args:
        earned_at: When all that was allowed before will have been earned; in seconds, as ``now``.
        now: The present instant.
        rate: How much may be done in a second.
        cost: How much is to be done; what is above a burst counts as one.
        burst: How much may be done at once, 1 at least; None: a second's worth.

    Returns:
        The seconds to wait, and when all that is allowed then will have been earned.
    """
    burst = max(1.0, rate if burst is None else burst)
    full = now + burst / rate
    before = min(max(earned_at, now), full + GRAIN)
    after = before + min(cost, burst) / rate
    wait = after - full
    return (wait, before) if wait > GRAIN else (0.0, after)
