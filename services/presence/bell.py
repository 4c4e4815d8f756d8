"""A bell: how who waits for something to change is woken, without looking again and again."""

import asyncio


class Bell:
    """Wakes all who wait; what is not waited for is gone, so look first, and then wait."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    def heard(self) -> asyncio.Future[None]:
        """Return what is done when it rings next; many may wait for it, and nobody cancels it."""
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_future()
        return self._next

    def ring(self) -> None:
        """Wake them."""
        if self._next is not None and not self._next.done():
            self._next.set_result(None)
