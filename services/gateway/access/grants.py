"""
Grants: by what right a client is in its channels, and what ends it.

Pure.  ``now`` is monotonic seconds.  A client may hold very many channels, each by a token of its
own: nothing that happens to one of them looks at the others, but for `Grants.named`, which judges
all.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from math import inf

import msgspec

from services.gateway.access.verifier import Verified

SPARE = 16  # Entries that may be outdated, beside as many as are not.


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


class _Name(msgspec.Struct, eq=False, gc=False):
    """
    The channels that tokens of one name (``jti``) opened: those of one token, by custom.

    Attributes:
        grant: What the last of them gave.
        count: Channels.
    """

    grant: Grant
    count: int = 0


class _End(msgspec.Struct, eq=False, gc=False):
    """
    The channels whose grants end at one instant.

    Attributes:
        channels: Some may have been left since, or be held by another grant.
        count: How many are neither.
    """

    channels: list[str]
    count: int = 0


class OpeningTokens(msgspec.Struct, eq=False, gc=False):
    """
    The tokens that opened channels of one connection: by name, and by when they end.

    What is outdated is left where it stands, and taken out together with much of its kind.
    """

    _names: dict[str, _Name] = msgspec.field(default_factory=dict)
    _ends: dict[float, _End] = msgspec.field(default_factory=dict)
    _instants: list[float] = msgspec.field(default_factory=list)  # A heap of the keys of `_ends`.
    _changed: dict[str, None] = msgspec.field(default_factory=dict)

    def __contains__(self, jti: str) -> bool:
        return jti in self._names

    def open(self, channel: str, grant: Grant) -> Grant:
        """Take a token's grant; return the one to keep: an equal token's where there is one."""
        if grant.verified is None:
            return grant
        jti = grant.verified.token.jti
        name = self._names.get(jti)
        if name is None:
            name = self._names[jti] = _Name(grant)
            self._changed[jti] = None
        elif not name.grant.is_by(grant.verified):
            name.grant = grant
        name.count += 1
        self._await(channel, name.grant.ends_at)
        return name.grant

    def close(self, grant: Grant, known: Mapping[str, Grant]) -> None:
        """Forget a token's grant for one channel; ``known`` are those of all channels."""
        if grant.verified is None:
            return
        jti, end = grant.verified.token.jti, self._ends[grant.ends_at]
        name = self._names[jti]
        name.count -= 1
        if not name.count:
            del self._names[jti]
            self._changed[jti] = None
        end.count -= 1
        if not end.count:
            del self._ends[grant.ends_at]
        elif len(end.channels) > 2 * end.count + SPARE:
            end.channels = list(_held(end.channels, known, grant.ends_at))

    @property
    def ends_at(self) -> float:
        """When the first of them ends."""
        while self._instants and self._instants[0] not in self._ends:
            heappop(self._instants)
        return self._instants[0] if self._instants else inf

    def over(self, now: float) -> Iterator[str]:
        """Yield channels that tokens opened which have ended; some are held by others since."""
        due: list[float] = []
        while self.ends_at <= now:
            due.append(heappop(self._instants))
        for instant in dict.fromkeys(due):  # What is not closed stays due.
            heappush(self._instants, instant)
            yield from self._ends[instant].channels

    def changed(self) -> Collection[str]:
        """See `Grants.changed`."""
        if not self._changed:
            return ()
        changed, self._changed = self._changed, {}
        return changed

    def _await(self, channel: str, instant: float) -> None:
        end = self._ends.get(instant)
        if end is None:
            end = self._ends[instant] = _End([])
            heappush(self._instants, instant)
            if len(self._instants) > 2 * len(self._ends) + SPARE:
                self._instants = list(self._ends)
                heapify(self._instants)
        end.channels.append(channel)
        end.count += 1


def _held(channels: Iterable[str], known: Mapping[str, Grant], instant: float) -> Iterator[str]:
    """Yield, each once, the channels that are still held by a grant which ends at an instant."""
    for channel in dict.fromkeys(channels):
        if channel in known and known[channel].ends_at == instant:
            yield channel


class Grants(msgspec.Struct, eq=False, gc=False):
    """The grants of one connection, by channel; what is done to one costs as much among many."""

    _by_channel: dict[str, Grant] | None = None  # None as well: most clients need none.
    _tokens: OpeningTokens | None = None

    def put(self, channel: str, grant: Grant) -> None:
        """Replace a channel's grant; a token that opened many channels is kept in memory once."""
        if self._by_channel is None:
            self._by_channel = {}
        before = self._by_channel.get(channel)
        if grant.verified is not None:
            self._tokens = self._tokens or OpeningTokens()
            grant = self._tokens.open(channel, grant)
        self._by_channel[channel] = grant
        self._end(before)

    def drop(self, channel: str) -> None:
        """Forget a channel's."""
        if self._by_channel:
            self._end(self._by_channel.pop(channel, None))

    def clear(self) -> None:
        """Forget all."""
        self._by_channel = self._tokens = None

    @property
    def ends_at(self) -> float:
        """When the first of them ends."""
        return self._tokens.ends_at if self._tokens else inf

    def over(self, now: float) -> list[str]:
        """Name the channels whose grants have ended; each until it is dropped."""
        if self._tokens is None or now < self.ends_at:
            return []
        known = self._by_channel or {}
        named = dict.fromkeys(self._tokens.over(now))
        return [name for name in named if name in known and known[name].ends_at <= now]

    def shows(self, jti: str) -> bool:
        """Tell whether a token of that name gave some of them."""
        return self._tokens is not None and jti in self._tokens

    def changed(self) -> Collection[str]:
        """Return the names of tokens that have come or gone since this was asked."""
        return self._tokens.changed() if self._tokens else ()

    def named(self, judge: Callable[[str, Grant], bool]) -> list[str]:
        """Name the channels whose grants a judgement is true of."""
        known = self._by_channel or {}
        return [name for name, grant in known.items() if judge(name, grant)]

    def _end(self, grant: Grant | None) -> None:
        if grant is not None and self._tokens is not None:
            self._tokens.close(grant, self._by_channel or {})
