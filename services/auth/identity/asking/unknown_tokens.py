"""
The rate of unknown tokens: how many one address may have an identity server asked about.

Pure.  ``now`` is monotonic seconds.  A token that was believed once is known and counts for nothing
here.  The burst lets those in who come back at once to a process that knows none of their tokens
yet, many from behind one address; the rate is for those who sign in.
"""

from libs.common.errors import Invalid
from libs.common.rates.gcra import judge

TIDY_FROM = 4096  # Addresses below which nothing is forgotten.


class TooManyUnknownTokens(Invalid):
    """An address brings more tokens that nobody has believed yet than it may."""

    status = 429

    def __init__(self, rate: float, *, wait: float) -> None:
        super().__init__(
            f"auth.unknown_tokens: one address may bring {rate:g} unknown tokens a second"
        )
        self.retry_after = wait


class UnknownTokens:
    """
    Lets an identity server be asked, or not.

    Args:
        rate: Unknown tokens of one address in a second; 0 or less: any number.
        burst: How many at once, at least one.
    """

    def __init__(self, rate: float, *, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._earned_at: dict[str, float] = {}
        self._tidy_at = TIDY_FROM

    @property
    def addresses(self) -> int:
        """Of how many addresses something is known."""
        return len(self._earned_at)

    def take(self, address: str, *, now: float) -> None:
        """
        Count a token that is to be asked about.

        Raises:
            TooManyUnknownTokens: The address has brought too many; it is counted for nothing.
        """
        if self._rate <= 0:
            return
        self._tidy(now)
        wait, self._earned_at[address] = judge(
            self._earned_at.get(address, now), now=now, rate=self._rate, cost=1, burst=self._burst
        )
        if wait:
            raise TooManyUnknownTokens(self._rate, wait=wait)

    def give_back(self, address: str) -> None:
        """Count one less: nobody could be asked, or nobody answered."""
        if address in self._earned_at:
            self._earned_at[address] -= 1 / self._rate

    def _tidy(self, now: float) -> None:
        if len(self._earned_at) >= self._tidy_at:
            self._earned_at = {who: at for who, at in self._earned_at.items() if at > now}
            self._tidy_at = max(TIDY_FROM, 2 * len(self._earned_at))
