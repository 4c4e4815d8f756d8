"""Control for a single process: the reference implementation of `port.Control`."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from libs.common.control.commands import Order
from libs.common.control.port import OrderListener


class MemoryControl:
    """Control for one process.  See `Control`."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._orders: list[tuple[int, Order]] = []
        self._known: set[Order] = set()
        self._numbers = itertools.count(1)
        self._sent = asyncio.Condition()

    async def send(self, order: Order) -> None:
        """See `Control.send`."""
        async with self._sent:
            self._forget_expired()
            if order in self._known:
                return
            self._known.add(order)
            self._orders.append((next(self._numbers), order))
            self._sent.notify_all()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[OrderListener]:
        """See `Control.listen`."""
        yield MemoryOrderListener(self)

    async def after(self, number: int, timeout: float) -> list[tuple[int, Order]]:
        """Wait for orders in force with a higher number than this, and return them with theirs."""
        async with self._sent:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._sent.wait_for(lambda: self._newer(number))
            return self._newer(number)

    def _newer(self, number: int) -> list[tuple[int, Order]]:
        self._forget_expired()
        return [item for item in self._orders if item[0] > number]

    def _forget_expired(self) -> None:
        now = self._clock()
        kept = [item for item in self._orders if item[1].expires_at > now]
        if len(kept) < len(self._orders):
            self._orders, self._known = kept, {order for _, order in kept}


class MemoryOrderListener:
    """An `OrderListener` of a `MemoryControl`."""

    def __init__(self, control: MemoryControl) -> None:
        self._control = control
        self._number = 0

    async def receive(self, timeout: float) -> list[Order]:
        """See `OrderListener.receive`."""
        orders = await self._control.after(self._number, timeout)
        self._number = max((number for number, _ in orders), default=self._number)
        return [order for _, order in orders]
