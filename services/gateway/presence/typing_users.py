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

from libs.common.channels import Channel, ChannelUser
from libs.common.fairness.shares import Shares
from libs.common.typists.port import Report

RENEWALS = 3  # Reports in the time for which a word counts, at most, that a user goes on.

C = TypeVar("C")


class DueReport(NamedTuple):
    """
    What the typists must be told of a user in a channel.

    Attributes:
        typist: Who, and where.
        reports: What they must be told, in order; that the user has sent something comes first.
        ends_at: When the last word is over that they tell of; 0: they tell that there is none.
        has_sent: Until when it matters that the user has stopped everywhere; 0: they do not tell.
    """

    typist: ChannelUser
    reports: tuple[Report, ...]
    ends_at: float
    has_sent: float


@dataclass(slots=True)
class _Words(Generic[C]):
    """
    What is known of a user in a channel.

    Attributes:
        until: For each connection that says so, until when its word counts.
        said_at: When it was reported last that the user types.
        said_until: Until when, by the last report; 0: by that one the user has stopped.
        held_until: Until when the typists may hold that the user types.
        has_sent: Until when it matters that the user has stopped everywhere; 0: it has not, or that
            was reported.
    """

    until: dict[C, float] = field(default_factory=dict)
    said_at: float = -inf
    said_until: float = 0.0
    held_until: float = 0.0
    has_sent: float = 0.0

    @property
    def ends_at(self) -> float:
        return max(self.until.values(), default=0.0)


class TypingUsers(Generic[C]):
    """
    The users who type on this gateway.

    What returns typists names those of whom must be reported now: `take_report` says what.

    Args:
        ttl: Seconds for which a word counts.
        source: As whom the gateway reports.
        most: How many users, each in each channel, are known at a time; the caller sees to it.
    """

    def __init__(self, ttl: float, *, source: str, most: int) -> None:
        self._ttl = ttl
        self._source = source
        self._pause = ttl / RENEWALS
        self._shares = Shares(most)
        self._users: dict[ChannelUser, _Words[C]] = {}
        self._as_whom: dict[tuple[C, Channel], ChannelUser] = {}
        self._looks: dict[ChannelUser, float] = {}  # When each is looked at next, in order.

    def __len__(self) -> int:
        """Tell how many users, each in each channel, are known."""
        return len(self._users)

    def has_no_room_for(self, typist: ChannelUser) -> bool:
        """Tell whether a user is not known, and as many of the app are as may be; see `Shares`."""
        return typist not in self._users and not self._shares.has_room(typist.channel.app)

    def types(self, connection: C, typist: ChannelUser, *, now: float) -> list[ChannelUser]:
        """Take the word of a connection that its user types."""
        place = connection, typist.channel
        ended = self.stops(*place) if self._as_whom.get(place, typist) != typist else []
        words = self._known(typist, now)
        self._as_whom[place] = typist
        words.until[connection] = now + self._ttl
        is_new = words.said_until <= now or now - words.said_at >= self._pause
        return [*ended, typist] if is_new else ended

    def stops(self, connection: C, channel: Channel) -> list[ChannelUser]:
        """Let the word of a connection count no more: it says so, or is in the channel no more."""
        typist = self._as_whom.pop((connection, channel), None)
        if typist is None:
            return []
        words = self._users[typist]
        del words.until[connection]
        return [typist] if words.ends_at < words.held_until else []

    def has_sent(self, typist: ChannelUser, *, now: float) -> list[ChannelUser]:
        """Take the word that a user has sent what it typed, wherever it typed that."""
        words = self._known(typist, now)
        self._silence(typist, words)
        words.has_sent = now + self._ttl
        return [typist]

    def take_report(self, typist: ChannelUser, *, now: float) -> DueReport | None:
        """
        Take what must be reported of a user now; None: nothing, or nothing any more.

        The caller reports that, and tells of it with `reported`, or asks again.
        """
        words = self._users.get(typist)
        if words is None:
            return None
        reports: list[Report] = []
        has_sent = words.has_sent if words.has_sent > now else 0.0
        if has_sent:
            age = self._age(has_sent, now)
            reports.append(Report(*typist, self._source, 0.0, everywhere=True, age=age))
        ends_at = words.ends_at if words.ends_at > now else 0.0
        if ends_at:
            words.said_at = now
            words.held_until = max(words.held_until, ends_at)
            self._look_at(typist, now)
            age = self._age(ends_at, now)
            reports.append(Report(*typist, self._source, ends_at - now, age=age))
        elif words.held_until > now and not has_sent:
            reports.append(Report(*typist, self._source, 0.0))
        words.said_until = ends_at
        return DueReport(typist, tuple(reports), ends_at, has_sent) if reports else None

    def _age(self, until: float, now: float) -> float:
        """Tell how long ago a word was said, by when it is over."""
        return max(0.0, now + self._ttl - until)

    def reported(self, report: DueReport, *, is_taken: bool) -> list[ChannelUser]:
        """
        Note that the typists have heard a report.

        Args:
            report: What they were told.
            is_taken: Whether they took all of it.  Else the user has sent something elsewhere since
                it typed here, or too many type: what it had said by then counts no more.
        """
        words = self._users.get(report.typist)
        if words is None:
            return []
        if words.has_sent == report.has_sent:
            words.has_sent = 0.0
        words.held_until = report.ends_at if is_taken else 0.0
        if is_taken:
            return []
        words.said_until = 0.0
        self._drop_ended(report.typist, words, report.ends_at)
        return [report.typist] if words.until else []

    def restated(self) -> list[ChannelUser]:
        """Name all users: the typists may have lost what they were told."""
        return list(self._users)

    @property
    def due(self) -> float:
        """When to `look` next."""
        return next(iter(self._looks.values()), inf)

    def look(self, now: float) -> list[ChannelUser]:
        """Look at the users whose time has come, and forget those who are long done."""
        changed: list[ChannelUser] = []
        while self._looks and (first := next(iter(self._looks.items())))[1] <= now:
            typist, words = first[0], self._users[first[0]]
            del self._looks[typist]
            self._drop_ended(typist, words, now)
            if max(words.ends_at, words.held_until, words.has_sent) <= now:
                del self._users[typist]
                self._shares.give_back(typist.channel.app)
                continue
            self._look_at(typist, now)
            if words.ends_at > words.said_until:
                changed.append(typist)
        return changed

    def _known(self, typist: ChannelUser, now: float) -> _Words[C]:
        words = self._users.get(typist)
        if words is None:
            words = self._users[typist] = _Words()
            self._shares.take(typist.channel.app)
            self._look_at(typist, now)
        return words

    def _look_at(self, typist: ChannelUser, now: float) -> None:
        self._looks.pop(typist, None)
        self._looks[typist] = now + self._pause

    def _silence(self, typist: ChannelUser, words: _Words[C]) -> None:
        for connection in words.until:
            del self._as_whom[connection, typist.channel]
        words.until.clear()

    def _drop_ended(self, typist: ChannelUser, words: _Words[C], now: float) -> None:
        for connection in [each for each, until in words.until.items() if until <= now]:
            del words.until[connection]
            del self._as_whom[connection, typist.channel]
