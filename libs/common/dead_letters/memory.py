"""Dead letters of one process: the reference implementation of `dead_letters.port.DeadLetters`."""

import time
from collections.abc import Callable, Collection, Sequence

from libs.common.dead_letters.port import START, DeadLetter, LetterPlace, Selection


class MemoryDeadLetters:
    """
    Dead letters for one process.  See `DeadLetters`.

    Args:
        most: How many are kept.
        max_age: Seconds for which they are.
        clock: UTC epoch seconds.
    """

    def __init__(
        self, most: int, max_age: float, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._most = most
        self._max_age = max_age
        self._clock = clock
        self._letters: dict[str, DeadLetter] = {}

    async def check(self) -> None:
        """See `DeadLetters.check`: it is this process."""

    async def keep(self, letter: DeadLetter) -> None:
        """See `DeadLetters.keep`."""
        self._letters.pop(letter.id, None)
        self._letters[letter.id] = letter
        young = [each for each in self._ordered() if each.died_at > self._oldest]
        self._letters = {each.id: each for each in young[-self._most :]}

    async def count(self, selection: Selection) -> int:
        """See `DeadLetters.count`."""
        return sum(map(selection.has, self._ordered()))

    async def read(
        self, selection: Selection, *, after: LetterPlace = START, limit: int
    ) -> Sequence[DeadLetter]:
        """See `DeadLetters.read`."""
        letters = self._ordered()
        return [each for each in letters if each.place > after and selection.has(each)][:limit]

    async def remove(self, ids: Collection[str]) -> None:
        """See `DeadLetters.remove`."""
        for each in ids:
            self._letters.pop(each, None)

    async def erase(self, app: str, user: str) -> int:
        """See `DeadLetters.erase`."""
        rest = {each.id: each.without(user) for each in self._letters.values() if each.app == app}
        told = [key for key, letter in rest.items() if letter != self._letters[key]]
        for key in told:
            self._letters[key] = rest[key]
        await self.remove([key for key in told if not rest[key].facts])
        return len(told)

    @property
    def _oldest(self) -> float:
        return self._clock() - self._max_age

    def _ordered(self) -> list[DeadLetter]:
        return sorted(self._letters.values(), key=lambda letter: letter.place)
