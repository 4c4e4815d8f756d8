"""
Leases: which gateways live.  What a gateway holds is true for as long as its lease.

`Leases` is the port, `MemoryLeases` its reference implementation for a single process;
`leases.redis` is the other.  What is held, such as the seats of the roster and the counts of the
tally, lies on the same backend: it is called the *holdings* of a gateway, and each adapter of such
a port says how they are taken away.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from libs.common.errors import Unavailable

CLEARED_FOR = 86_400.0  # Seconds that a cleared gateway is remembered, and refused.


class LeaseLost(Unavailable):
    """The gateway's lease was ended and it was cleared; it must return under a new name."""

    def __init__(self, gateway: str) -> None:
        super().__init__("roster")
        self.gateway = gateway


class Leases(Protocol):
    """
    Which gateways live, known to every process.

    A gateway takes a lease before its clients come, and renews it.  When a lease was found lapsed
    for longer than the grace period, `sweep` clears the gateway: all that it holds is taken from
    it, and it is refused for a day.  The grace period begins when a sweep finds the lease lapsed,
    so that an outage of the backend, in which nobody could renew, ends nobody's lease.  A gateway
    that holds something and has no lease counts as one whose lease has lapsed.
    """

    @property
    def given_up(self) -> int:
        """
        Count the gateways that sweeps of this process cleared, and that had not released a lease.

        Each is counted once, whichever of several sweepers comes to it, and also by a sweep that
        raises.  One that never renewed is none.
        """

    async def check(self) -> None:
        """
        Ask the backend whether it can be used now; an operator's question, which costs a little.

        Raises:
            Unavailable: It is away, or refuses what this process asks of it; the cause says why.
        """

    async def renew(self, gateway: str, *, ttl: float) -> bool:
        """
        Take or renew a gateway's lease for ``ttl`` seconds.

        Returns:
            Whether the gateway had a lease.  If not, it is new, or a sweep found its lease lapsed,
            or the backend lost data, and perhaps what the gateway holds: it should say again all
            that it has.

        Raises:
            LeaseLost: The gateway was cleared.
            Unavailable: The backend is away, at least in part.
        """

    async def prolong(self, gateway: str, *, ttl: float) -> bool:
        """
        Renew a gateway's lease for ``ttl`` seconds, if it has one; never take one.

        It has one until it released it or was cleared: also while a grace period lasts.

        Returns:
            Whether it had one; if not, nothing was done, at least in part.

        Raises:
            Unavailable: The backend is away, at least in part.
        """

    def apart(self) -> AbstractAsyncContextManager["Leases"]:
        """
        Open the same leases, for `prolong` alone, on the event loop of another thread.

        Whatever connections that takes are its own, and are closed with it.
        """

    async def release(self, gateway: str) -> None:
        """
        End a gateway's lease now; it is cleared when the grace period has passed.

        Raises:
            Unavailable: The backend is away, at least in part.
        """

    async def sweep(self, *, grace: float) -> int:
        """
        Take away what is due: from gateways whose lease lapsed, and what is over by its own time.

        The latter are the seats of the roster whose grace is over, and typists (`typists.port`),
        who are not counted.  Several may sweep at once.  A call does a bounded amount of work.

        Args:
            grace: Seconds that a lease must have been known as lapsed before its gateway is
                cleared.

        Returns:
            How many seats and counts it took away, or 1 where more may be due than one call looks
            at; call again at once while it is not 0.

        Raises:
            Unavailable: The backend is away, at least in part; the rest was swept.
        """
