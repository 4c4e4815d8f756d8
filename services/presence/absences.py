"""
Since when backends are away, as far as this process can tell; whoever asks is told so.

The log's own account of that is `libs.common.outage`.
"""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from libs.common.errors import Unavailable


class Absences:
    """
    Backends that are away.

    Args:
        clock: UTC epoch seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    @contextmanager
    def watched(self, *backends: str, perhaps: Collection[str] = ()) -> Iterator[None]:
        """
        Watch a call to backends.

        Args:
            backends: The names of those that are asked, as `Unavailable` has them: they are back
                when the call succeeds.
            perhaps: Those that may be asked: it says nothing of them when the call succeeds.

        Raises:
            Unavailable: As it came, with `since` set if it is of one of them.
        """
        try:
            yield
        except Unavailable as error:
            if error.backend in {*backends, *perhaps}:
                error.since = self._since.setdefault(error.backend, self._clock())
            raise
        for backend in backends:
            self._since.pop(backend, None)
