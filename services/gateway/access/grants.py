"""
Grants: by what right a client is in its channels, and what ends it.

Pure.  ``now`` is monotonic seconds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

from services.gateway.access.verifier import Verified


@dataclass(frozen=True, slots=True)
class Grant:
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


class Grants:
    """The grants of one connection, by channel."""

    __slots__ = ("_by_channel",)

    def __init__(self) -> None:
        self._by_channel: dict[str, Grant] = {}

    def put(self, channel: str, grant: Grant) -> None:
        """Replace a channel's grant; a token that opened many channels is kept in memory once."""
        shown = (each for each in self._by_channel.values() if each.is_by(grant.verified))
        self._by_channel[channel] = next(shown, grant)

    def drop(self, channel: str) -> None:
        """Forget a channel's."""
        self._by_channel.pop(channel, None)

    def clear(self) -> None:
        """Forget all."""
        self._by_channel.clear()

    @property
    def ends_at(self) -> float:
        """When the first of them ends."""
        return min((grant.ends_at for grant in self._by_channel.values()), default=inf)

    def tokens(self) -> Iterator[Verified]:
        """Yield the tokens that gave some."""
        return (grant.verified for grant in self._by_channel.values() if grant.verified)

    def named(self, judge: Callable[[str, Grant], bool]) -> list[str]:
        """Name the channels whose grants a judgement is true of."""
        return [name for name, grant in self._by_channel.items() if judge(name, grant)]
