"""
The line before an identity server: who asks next, where more want to than it is asked at once.

Tokens that it has believed before come first.  Then the addresses that others are from have their
turns, one question each; so whoever brings very many makes only its own wait, and a part of the
places is never theirs.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PLACES = 50  # Questions to one server at once.
MOST_WAITING = 5000  # Beyond, the newest of the address that most wait from goes.


class TurnMissed(Exception):
    """A question did not get its turn: its time was over, or too many waited."""

    def __init__(self) -> None:
        super().__init__("too many tokens wait for an answer")


_Turn = asyncio.Future[None]
_Waiting = dict[_Turn, None]  # In the order in which they came.


class FairLine:
    """
    Lets questions through, each when it is its turn.

    Args:
        places: Questions at once.  Four fifths of them are for unknown tokens at most, half for
            those from one address.
        most: Questions that may wait.
    """

    def __init__(self, places: int = PLACES, *, most: int = MOST_WAITING) -> None:
        self._places = places
        self._most = most
        self._of_unknown = max(1, places * 4 // 5)
        self._of_address = max(1, places // 2)
        self._known: dict[str, _Waiting] = {}  # By address; whose turn it is comes first.
        self._unknown: dict[str, _Waiting] = {}
        self._waiting = 0
        self._busy = 0
        self._busy_unknown: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, address: str, *, is_known: bool, timeout: float) -> AsyncIterator[None]:
        """
        Hold a place while the context is open, which opens when it is the question's turn.

        Args:
            address: Where the token is from.
            is_known: Whether it was believed before.
            timeout: Seconds to wait for the turn.

        Raises:
            TurnMissed: It did not come in time, or too many wait.
        """
        await self._wait(address, is_known=is_known, timeout=timeout)
        try:
            yield
        finally:
            self._leave(address, is_known=is_known)

    async def _wait(self, address: str, *, is_known: bool, timeout: float) -> None:
        line = self._known if is_known else self._unknown
        self._make_room(address, line)
        turn: _Turn = asyncio.get_running_loop().create_future()
        line.setdefault(address, {})[turn] = None
        self._waiting += 1
        self._call()
        try:
            async with asyncio.timeout(timeout):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._leave(address, is_known=is_known)  # It came, and nobody was there any more.
            self._forget(line, address, turn)
            if isinstance(error, TimeoutError):
                raise TurnMissed from error
            raise

    def _leave(self, address: str, *, is_known: bool) -> None:
        self._busy -= 1
        if not is_known:
            self._busy_unknown[address] -= 1
            if not self._busy_unknown[address]:
                del self._busy_unknown[address]
        self._call()

    def _call(self) -> None:
        """Let in whose turn it is, as long as there are places."""
        while self._busy < self._places:
            address = next(iter(self._known), None)
            if address is not None:
                self._busy += self._called(self._known, address)
                continue
            address = self._next_unknown()
            if address is None:
                return
            if self._called(self._unknown, address):
                self._busy += 1
                self._busy_unknown[address] += 1

    def _next_unknown(self) -> str | None:
        if self._busy_unknown.total() >= self._of_unknown:
            return None
        # Few have all that they may: those that are passed over are never many.
        return next((each for each in self._unknown if not self._is_full(each)), None)

    def _is_full(self, address: str) -> bool:
        return self._busy_unknown[address] >= self._of_address

    def _called(self, line: dict[str, _Waiting], address: str) -> bool:
        """Call the first from an address, whose next turn is after all others'; tell if it came."""
        waiting = line.pop(address)
        turn = next(iter(waiting))
        del waiting[turn]
        if waiting:
            line[address] = waiting
        self._waiting -= 1
        if turn.done():  # It was given up, and has not been told yet.
            return False
        turn.set_result(None)
        return True

    def _forget(self, line: dict[str, _Waiting], address: str, turn: _Turn) -> None:
        waiting = line.get(address, {})
        if turn not in waiting:
            return
        del waiting[turn]
        self._waiting -= 1
        if not waiting:
            del line[address]

    def _make_room(self, address: str, line: dict[str, _Waiting]) -> None:
        """Send the newest away of the address from which most wait; that may be the one to come."""
        if self._waiting < self._most:
            return
        crowd = self._unknown or self._known
        most = max(crowd, key=lambda each: len(crowd[each]))
        comes_first = line is self._known and crowd is self._unknown
        has_fewer = line is crowd and len(line.get(address, ())) + 1 < len(crowd[most])
        if not comes_first and not has_fewer:
            raise TurnMissed
        last = next(reversed(crowd[most]))
        self._forget(crowd, most, last)
        if not last.done():
            last.set_exception(TurnMissed())
