"""A publisher's ledger: what was accepted must arrive, in order and once; what was refused may, once at most."""

from collections.abc import Iterable
from typing import Any

from tests.support.clients.back_ends import BackEnd
from tests.support.deployments.fleet import step


class Ledger:
    """
    Posts numbered steps of a room to ``/events``, and judges what was heard of them.

    Args:
        backend: Posts.
        url: Where to.
        room: Whose steps.
    """

    def __init__(self, backend: BackEnd, url: str, room: str) -> None:
        self._backend = backend
        self._url = url
        self._room = room
        self._next = 0
        self.accepted: list[int] = []

    async def post(self) -> bool:
        """Post the next step; tell whether it was accepted."""
        number, self._next = self._next, self._next + 1
        answer = await self._backend.emit(self._url, step(self._room, number))
        if answer.status == 202:
            self.accepted.append(number)
            return True
        assert answer.status == 503
        assert answer.headers["Retry-After"]
        return False

    def has_arrived(self, heard: Iterable[Any]) -> bool:
        """Tell whether everything accepted was heard."""
        return set(self.accepted) <= {item["n"] for item in heard}

    def check(self, heard: Iterable[Any]) -> None:
        """See that nothing is lost, doubled or out of order."""
        numbers = [item["n"] for item in heard]

        assert numbers == sorted(set(numbers))
        assert set(self.accepted) <= set(numbers)
