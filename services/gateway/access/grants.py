"""
Grants: by what right a client is in its channels, and what ends it.

Pure.  ``now`` is monotonic seconds.
"""

from collections.abc import Callable, Collection, Iterator
from math import inf

import msgspec

from services.gateway.access.verifier import Verified


class Grant(msgspec.Struct, frozen=True, gc=False):
    """
    The right to be in a channel.

    Attributes:
        user: The id of the user whose right it is; empty where nothing says so.
        given_at: When it was given, UTC epoch seconds.
        verified: The token that opened the channel; None: one of Pusher's kind, which has no end.
    """

    user: str
    given_at: float
    verified: Verified | None = None

    @property
    def ends_at(self) -> float:
        """When it ends by itself."""
        return self.verified.ends_at if self.verified else inf

    def is_by(self, verified: Verified | None) -> bool:
        """Tell whether it was given by the same token."""
        if self.verified is None or verified is None:
            return False
        return (
            self.verified.token.jti == verified.token.jti and self.verified.token == verified.token
        )


class Grants(msgspec.Struct, eq=False, gc=False):
    """The grants of one connection, by channel."""

    _by_channel: dict[str, Grant] | None = None  # None as well: most clients need none.

    def put(self, channel: str, grant: Grant) -> None:
        """Replace a channel's grant; a token that opened many channels is kept in memory once."""
        shown = (each for each in self._grants() if each.is_by(grant.verified))
        kept = next(shown, grant)
        if self._by_channel is None:
            self._by_channel = {}
        self._by_channel[channel] = kept

    def drop(self, channel: str) -> None:
        """Forget a channel's."""
        if self._by_channel:
            self._by_channel.pop(channel, None)

    def clear(self) -> None:
        """Forget all."""
        self._by_channel = None

    @property
    def ends_at(self) -> float:
        """When the first of them ends."""
        if not self._by_channel:
            return inf
        return min(grant.ends_at for grant in self._by_channel.values())

    def tokens(self) -> Iterator[Verified]:
        """Yield the tokens that gave some."""
        return (grant.verified for grant in self._grants() if grant.verified)

    def named(self, judge: Callable[[str, Grant], bool]) -> list[str]:
        """Name the channels whose grants a judgement is true of."""
        known = self._by_channel or {}
        return [name for name, grant in known.items() if judge(name, grant)]

    def _grants(self) -> Collection[Grant]:
        return self._by_channel.values() if self._by_channel else ()
