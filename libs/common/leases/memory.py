"""The leases of a single process: the reference implementation of `leases.port.Leases`."""

import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from threading import Lock
from typing import Protocol, TypeVar

from libs.common.leases.port import CLEARED_FOR, LeaseLost

_NEVER = -math.inf  # When the lease of a gateway that never took one lapsed.

_Key = TypeVar("_Key", bound=Hashable)


class MemoryHoldings(Protocol):
    """What gateways hold in this process while their leases last."""

    def clear(self, gateways: Sequence[str]) -> int:
        """
        Take away a bounded part of what is due.

        Args:
            gateways: Those that were cleared since the last call; none of them gets anything any
                more.

        Returns:
            How much was taken away; what is left is for the next call.
        """


class MemoryLeases:
    """
    Leases for one process.  See `Leases`.

    Args:
        clock: Monotonic seconds.

    Attributes:
        clock: Monotonic seconds, for what is held.
        given_up: See `Leases.given_up`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.given_up = 0
        self._leases: dict[str, float] = {}  # Gateway to when it lapses.
        self._renewed: dict[str, float] = {}  # Gateway to when, until it releases or is cleared.
        self._lapsed: dict[str, float] = {}  # Gateway to when a sweep first saw that.
        self._cleared: dict[str, float] = {}  # Gateway to when; swept out after a day.
        self._holdings: list[MemoryHoldings] = []
        self._changing = Lock()  # A thread beside the event loop may prolong a lease.

    def keep(self, holdings: MemoryHoldings) -> None:
        """Have what gateways hold there end with their leases."""
        self._holdings.append(holdings)

    def expect(self, gateway: str) -> None:
        """Let a gateway without a lease count as one whose lease lapsed, lest it stays."""
        self._leases.setdefault(gateway, _NEVER)

    def silence(self, gateway: str) -> float:
        """Tell for how many seconds a gateway did not renew; infinity: it has no lease now."""
        now = self.clock()
        if self._leases.get(gateway, _NEVER) <= now:
            return math.inf
        return now - self._renewed[gateway]

    def has_cleared(self, gateway: str) -> bool:
        """Tell whether a gateway was cleared."""
        return gateway in self._cleared

    async def check(self) -> None:
        """See `Leases.check`: it is this process."""

    async def renew(self, gateway: str, *, ttl: float) -> bool:
        """See `Leases.renew`."""
        if gateway in self._cleared:
            raise LeaseLost(gateway)
        with self._changing:
            had_lease = self._has(gateway)
            self._extend(gateway, ttl)
        return had_lease

    async def prolong(self, gateway: str, *, ttl: float) -> bool:
        """See `Leases.prolong`."""
        with self._changing:
            is_in_grace = gateway in self._lapsed and gateway in self._renewed
            had_lease = is_in_grace or self._has(gateway)
            if had_lease:
                self._extend(gateway, ttl)
        return had_lease

    def _has(self, gateway: str) -> bool:
        return self._leases.get(gateway, _NEVER) != _NEVER

    def _extend(self, gateway: str, ttl: float) -> None:
        self._lapsed.pop(gateway, None)
        self._renewed[gateway] = self.clock()
        self._leases[gateway] = self.clock() + ttl

    def apart(self) -> AbstractAsyncContextManager["MemoryLeases"]:
        """See `Leases.apart`."""
        return nullcontext(self)

    async def release(self, gateway: str) -> None:
        """See `Leases.release`."""
        with self._changing:
            self._renewed.pop(gateway, None)
            if self._leases.pop(gateway, None) is not None:
                self._lapsed.setdefault(gateway, self.clock())

    async def sweep(self, *, grace: float) -> int:
        """See `Leases.sweep`."""
        with self._changing:
            ended = self._judge(grace)
        return sum(holdings.clear(ended) for holdings in self._holdings)

    def _judge(self, grace: float) -> list[str]:
        """Find lapsed leases, and name the gateways that are cleared now."""
        now = self.clock()
        for gateway in due(self._leases, now):
            del self._leases[gateway]
            self._lapsed.setdefault(gateway, now)
        for gateway in due(self._cleared, now - CLEARED_FOR):
            del self._cleared[gateway]
        ended = due(self._lapsed, now - grace)
        for gateway in ended:
            del self._lapsed[gateway]
            self._cleared[gateway] = now
            self.given_up += self._renewed.pop(gateway, None) is not None
        return ended


def due(instants: Mapping[_Key, float], now: float) -> list[_Key]:
    """Name those whose instant has come, in the order in which they were put down."""
    return [key for key, at in instants.items() if at <= now]
