"""
Since when backends are away, as far as this process can tell; whoever asks is told so.

The log's own account of that is `libs.common.outage`.
"""

import time
from collections.abc import Callable, Iterator
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
    def watched(self, *backends: str) -> Iterator[None]:
        """
        Watch a call to backends.

        Args:
            backends: Their names, as `Unavailable` has them.

        Raises:
            Unavailable: As it came, with `since` set.
        """
        try:
            yield
        except Unavailable as error:
            error.since = self._since.setdefault(error.backend, self._clock())
            raise
        for backend in backends:
            self._since.pop(backend, None)
