"""
Held subscribes: those that wait until it is known who their client is.

Pure.  ``now`` is monotonic seconds.  pusher-js subscribes as soon as it is connected, and signs in when its back end
has answered; it never repeats a subscribe that was refused.  So one that comes first waits.
"""

from math import inf
from typing import NamedTuple

from services.gateway.frames import Subscribe


class _Waiting(NamedTuple):
    data: Subscribe
    until: float


class Held:
    """The subscribes of one connection that wait, by channel."""

    __slots__ = ("_by_channel",)

    def __init__(self) -> None:
        self._by_channel: dict[str, _Waiting] = {}

    def put(self, data: Subscribe, until: float) -> None:
        """Have one wait, in the place of an earlier one for its channel."""
        self._by_channel[data.channel] = _Waiting(data, until)

    def drop(self, channel: str) -> bool:
        """Let one wait no more; tell whether it did."""
        return self._by_channel.pop(channel, None) is not None

    def take(self) -> list[Subscribe]:
        """Take all, in the order in which they came."""
        taken, self._by_channel = self._by_channel, {}
        return [waiting.data for waiting in taken.values()]

    def overdue(self, now: float) -> list[str]:
        """Name those whose time is over."""
        return [name for name, waiting in self._by_channel.items() if waiting.until <= now]

    @property
    def due(self) -> float:
        """When the time of the first is over."""
        return min((waiting.until for waiting in self._by_channel.values()), default=inf)
