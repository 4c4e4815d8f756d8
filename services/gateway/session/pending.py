"""
What a client asked for that waits, until it is known who the client is.

Pure.  ``now`` is monotonic seconds.  pusher-js subscribes as soon as it is connected, and signs in
when its back end has answered; it never repeats a subscribe that was refused.  So a subscribe that
comes before the sign-in waits, and goes on waiting when the client has been told that it takes one.
As many wait as the client may have channels, and little more than the channel's name is kept of
each.
"""

from collections.abc import Collection
from math import inf
from typing import NamedTuple

import msgspec

from services.gateway.protocol.frames import SignIn, Subscribe


class PendingSubscribe(NamedTuple):
    """A subscribe that waits; see `Pending.put`."""

    data: Subscribe
    until: float
    is_good: bool


class Pending(msgspec.Struct, eq=False, gc=False):
    """
    What waits for one connection.

    Attributes:
        sign_in: A sign-in with a token that is good as far as is known.
    """

    sign_in: SignIn | None = None
    _by_channel: dict[str, PendingSubscribe] | None = None  # None as well: for most nothing waits.
    _earliest: float = inf  # Of the instants of those that wait; earlier, once some are dropped.
    _good: int = 0  # How many of them are good as far as is known.

    def put(self, data: Subscribe, *, until: float = inf, is_good: bool = False) -> None:
        """
        Have a subscribe wait, in the place of an earlier one to its channel.

        Args:
            data: The subscribe, without what is not needed to judge it later.
            until: When the client is told that it takes a sign-in.
            is_good: Whether it shows a token that is good as far as is known.
        """
        if self._by_channel is None:
            self._by_channel = {}
        before = self._by_channel.get(data.channel)  # Whose turn it keeps.
        self._good -= bool(before and before.is_good)
        self._by_channel[data.channel] = PendingSubscribe(data, until, is_good)
        self._earliest = min(self._earliest, until)
        self._good += is_good

    def drop(self, channel: str) -> None:
        """Let a subscribe wait no more."""
        before = self._by_channel.pop(channel, None) if self._by_channel else None
        if before is not None:
            self._good -= before.is_good
            if not self._by_channel:
                self._earliest = inf

    def take(self) -> list[PendingSubscribe]:
        """Take all subscribes, in the order in which they came."""
        taken, self._by_channel = self._waiting(), None
        self._earliest, self._good = inf, 0
        return list(taken)

    def resume(self, before: PendingSubscribe) -> None:
        """Have a subscribe that waits again keep its old instant: its client is told once."""
        name = before.data.channel
        if self._by_channel and name in self._by_channel:
            self._by_channel[name] = self._by_channel[name]._replace(until=before.until)
            self._earliest = min(self._earliest, before.until)

    def clear(self) -> None:
        """Let nothing wait."""
        self.sign_in = None
        self.take()

    def overdue(self, now: float) -> list[str]:
        """Name the channels of whose subscribes the client must be told now; each once."""
        if now < self.due:
            return []
        over = [each for each in self._waiting() if each.until <= now]
        for each in over:
            self.put(each.data, is_good=each.is_good)
        self._earliest = min((each.until for each in self._waiting()), default=inf)
        return [each.data.channel for each in over]

    @property
    def due(self) -> float:
        """When the client must be told, at the earliest; not while its sign-in waits as well."""
        return inf if self.sign_in is not None else self._earliest

    @property
    def is_good(self) -> bool:
        """Whether something waits that shows a token which is good as far as is known."""
        return self.sign_in is not None or self._good > 0

    def _waiting(self) -> Collection[PendingSubscribe]:
        return self._by_channel.values() if self._by_channel else ()
