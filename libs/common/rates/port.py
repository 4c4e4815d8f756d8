"""
Rates: how often an app may do something, counted by all processes together.

`Rates` is the port, `MemoryRates` its reference implementation for a single process; `rates.redis`
is the other.  Both are the generic cell rate algorithm: what is remembered is the instant at which
all that was allowed so far will have been earned again.  A second's worth may be done at once.
"""

from typing import NamedTuple, Protocol


class Act(NamedTuple):
    """
    What is limited.

    Attributes:
        app: The app's id; where a process counts for itself it may be what is named: ``address``.
        name: What the app does, as its limits call it: ``publishes``, ``terminations``; or whoever
            does it.
    """

    app: str
    name: str


class Rates(Protocol):
    """Rates of acts, shared by every process."""

    async def check(self) -> None:
        """
        Ask the backend whether it can be used now; an operator's question, which costs a little.

        Raises:
            Unavailable: It is away, or refuses what this process asks of it; the cause says why.
        """

    async def take(self, act: Act, *, rate: float, cost: int = 1) -> float:
        """
        Do an act, if it is not done too often.

        Args:
            act: The act that is to be done.
            rate: How much of it may be done in a second; above 0.
            cost: How much of it is done now; what is above a second's worth counts as a second's
                worth.

        Returns:
            0 if it may be done, and is counted; else the seconds after which it may, and nothing is
            counted.

        Raises:
            Unavailable: The backend is away.
        """
