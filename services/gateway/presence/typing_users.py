"""
Who types on this gateway, and what the typists of all gateways must be told of it, and when.

Pure.  ``now`` is monotonic seconds.  A client's word that its user types counts for ``ttl``
seconds; a user types in a channel for as long as the word of one of its connections counts.  That
it begins or ends is reported at once, and that it goes on once in a third of ``ttl``, each time
with what is left: so the typists know to the moment when the last word is over.

An example, with a `ttl` of 6 seconds.  Ann's client says at 0, 1 and 5 that she types.  Reported is
at 0 that she does so for 6 seconds; at 2, when the next report may be, that she does so for 5 more;
and at 5, three seconds later, for 6.  She ends at 11 without a report.
"""

from dataclasses import dataclass, field
from math import inf
from typing import Generic, NamedTuple, TypeVar

from libs.common.channels import Channel

RENEWALS = 3  # Reports in the time for which a word counts, at most, that a user goes on.

C = TypeVar("C")


class Typist(NamedTuple):
    """A user in a channel."""

    channel: Channel
    user_id: str


class Stands(NamedTuple):
    """
    What must be reported of a user in a channel; see `typists.port.Report`.

    Attributes:
        typist: Who, and where.
        has_sent: Until when it matters that the user has stopped everywhere; 0: it has not.
        lasts: Seconds for which the user types here; 0: it has stopped here; None: no word of that.
        renews: Whether it only goes on, as the typists have taken that it types.
    """

    typist: Typist
    has_sent: float
    lasts: float | None
    renews: bool


@dataclass(slots=True)
class _Words(Generic[C]):
    """
    What is known of a user in a channel.

    Attributes:
        until: For each connection that says so, until when its word counts.
        said_at: When it was reported last that the user types.
        said_until: Until when, by the last report; 0: by that one the user has stopped.
        held_until: Until when the typists may hold that the user types.
        taken_until: Until when they do, unless that was ended elsewhere; 0: that is not known.
        has_sent: Until when it matters that the user has stopped everywhere; 0: it has not, or that
            was reported.
    """

    until: dict[C, float] = field(default_factory=dict)
    said_at: float = -inf
    said_until: float = 0.0
    held_until: float = 0.0
    taken_until: float = 0.0
    has_sent: float = 0.0

    @property
    def ends_at(self) -> float:
        return max(self.until.values(), default=0.0)


class TypingUsers(Generic[C]):
    """
    The users who type on this gateway.

    What returns typists names those of whom must be reported now: `stands` says what.

    Args:
        ttl: Seconds for which a word counts.
        most: How many users, each in each channel, are known at a time; the caller sees to it.
    """

    def __init__(self, ttl: float, *, most: int) -> None:
        self._ttl = ttl
        self._pause = ttl / RENEWALS
        self._most = most
        self._users: dict[Typist, _Words[C]] = {}
        self._as_whom: dict[tuple[C, Channel], Typist] = {}
        self._looks: dict[Typist, float] = {}  # When each user is looked at next, in that order.

    def __len__(self) -> int:
        """Tell how many users, each in each channel, are known."""
        return len(self._users)

    def has_no_room_for(self, typist: Typist) -> bool:
        """Tell whether a user is not known, and as many are as may be."""
        return typist not in self._users and len(self._users) >= self._most

    def types(self, connection: C, typist: Typist, *, now: float) -> list[Typist]:
        """Take the word of a connection that its user types."""
        place = connection, typist.channel
        ended = self.stops(*place, now=now) if self._as_whom.get(place, typist) != typist else []
        words = self._known(typist, now)
        self._as_whom[place] = typist
        words.until[connection] = now + self._ttl
        is_new = words.said_until <= now or now - words.said_at >= self._pause
        return [*ended, typist] if is_new else ended

    def stops(self, connection: C, channel: Channel, *, now: float) -> list[Typist]:
        """Let the word of a connection count no more: it says so, or is in the channel no more."""
        typist = self._as_whom.pop((connection, channel), None)
        if typist is None:
            return []
        words = self._users[typist]
        del words.until[connection]
        return [typist] if words.ends_at < words.held_until and now < words.held_until else []

    def has_sent(self, typist: Typist, *, now: float) -> list[Typist]:
        """Take the word that a user has sent what it typed, wherever it typed that."""
        words = self._known(typist, now)
        self._silence(typist, words)
        words.has_sent = now + self._ttl
        return [typist]

    def stands(self, typist: Typist, *, now: float) -> Stands | None:
        """
        Say what must be reported of a user now; None: nothing, or nothing any more.

        The caller reports that, and tells of it with `reported`, or asks again.
        """
        words = self._users.get(typist)
        if words is None:
            return None
        has_sent = words.has_sent if words.has_sent > now else 0.0
        lasts, renews = None, words.taken_until > now and not has_sent
        if (ends_at := words.ends_at) > now:
            lasts = ends_at - now
            words.said_at, words.said_until = now, ends_at
            words.held_until = max(words.held_until, ends_at)
            self._look_at(typist, now)
        elif words.held_until > now:
            lasts, words.said_until = 0.0, 0.0
        is_nothing = lasts is None and not has_sent
        return None if is_nothing else Stands(typist, has_sent, lasts, renews)

    def reported(self, stands: Stands, *, is_taken: bool) -> None:
        """
        Note that the typists have heard a report.

        Args:
            stands: What was reported.
            is_taken: Whether they took it.  Else the user has sent something elsewhere since it
                typed here, or too many type: it types no more, until its next word.
        """
        words = self._users.get(stands.typist)
        if words is None:
            return
        if words.has_sent == stands.has_sent:
            words.has_sent = 0.0
        if not is_taken:
            self._silence(stands.typist, words)
            words.said_until = 0.0
        if stands.lasts is not None:
            words.held_until = words.taken_until = words.said_until

    def restated(self) -> list[Typist]:
        """Name all users: the typists may have lost what they were told."""
        for words in self._users.values():
            words.taken_until = 0.0
        return list(self._users)

    @property
    def due(self) -> float:
        """When to `look` next."""
        return next(iter(self._looks.values()), inf)

    def look(self, now: float) -> list[Typist]:
        """Look at the users whose time has come, and forget those who are long done."""
        changed: list[Typist] = []
        while self._looks and (first := next(iter(self._looks.items())))[1] <= now:
            typist, words = first[0], self._users[first[0]]
            del self._looks[typist]
            self._drop_ended(typist, words, now)
            if max(words.ends_at, words.held_until, words.has_sent) <= now:
                del self._users[typist]
                continue
            self._look_at(typist, now)
            if words.ends_at > words.said_until:
                changed.append(typist)
        return changed

    def _known(self, typist: Typist, now: float) -> _Words[C]:
        words = self._users.get(typist)
        if words is None:
            words = self._users[typist] = _Words()
            self._look_at(typist, now)
        return words

    def _look_at(self, typist: Typist, now: float) -> None:
        self._looks.pop(typist, None)
        self._looks[typist] = now + self._pause

    def _silence(self, typist: Typist, words: _Words[C]) -> None:
        for connection in words.until:
            del self._as_whom[connection, typist.channel]
        words.until.clear()

    def _drop_ended(self, typist: Typist, words: _Words[C], now: float) -> None:
        for connection in [each for each, until in words.until.items() if until <= now]:
            del words.until[connection]
            del self._as_whom[connection, typist.channel]
