"""
A fair queue: what waits is taken of all apps in turn, so that none waits for what another has sent.

Pure.  Each app's things come in the order in which they were put.
"""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """
    What waits, of all apps.

    When it is full, the newest gives way of the app that has most: who sends too much loses, and
    nobody else.

    An example with room for three.  App 1 puts ``a``, ``b`` and ``c``, and there is no room for its
    ``d``, which gives way itself.  App 2 puts ``x``: ``c`` gives way, as app 1 has most.  They are
    taken as ``a``, ``x``, ``b``.

    Args:
        most: Things that may wait, of all apps together.
    """

    __slots__ = ("_apps", "_count", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._apps: dict[str, deque[T]] = {}  # Whose turn it is next stands first.
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, app: str, thing: T) -> tuple[str, T] | None:
        """
        Have a thing of an app wait.

        Returns:
            What gave way, and whose it was, perhaps the thing itself; None: there was room.
        """
        if self._count < self.most:
            self._apps.setdefault(app, deque()).append(thing)
            self._count += 1
            return None
        loser = self._loser(app)
        if loser == app:
            return app, thing
        given = self._apps[loser].pop()
        self._apps.setdefault(app, deque()).append(thing)
        return loser, given

    def _loser(self, app: str) -> str:
        """Tell whose newest gives way: another app's, if that has more even then."""
        own = len(self._apps.get(app, ()))
        if own * len(self._apps) >= self.most:  # It has its share: no need to look at the others.
            return app
        loser = max(self._apps, key=lambda each: len(self._apps[each]))
        return loser if len(self._apps[loser]) > own + 1 else app

    def pop(self) -> T:
        """Take the next thing; there must be one."""
        app = next(iter(self._apps))
        waiting = self._apps.pop(app)
        thing = waiting.popleft()
        if waiting:
            self._apps[app] = waiting
        self._count -= 1
        return thing
