"""
Who should be told to type: what `typists.port.Typists` promises, in plain dicts, for a model to agree with.

Pure.  It does not say when a list is announced to the instant, but which announcements are right, and which are
missing.  Instants are seconds; a test moves `now`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf

from libs.common.bus.messages import Typed
from libs.common.channels import Channel
from libs.common.typists.port import Report, Typing, TypingBounds


@dataclass(slots=True)
class Truth:
    """
    A channel as it should be.

    Attributes:
        channel: The channel.
        bounds: Of it.
        members: Who is a member of it.
        now: The present instant.
        told: What was announced last; None: nothing, or nobody knows.
        told_at: When that was.
        typed_at: When somebody typed last, as far as the past goes.
        is_changed: Whether a source came or went since then, so that the same may be told again.
        mirrors: What those believe who read it once, at whatever moment, and hear what is announced.
    """

    channel: Channel
    bounds: TypingBounds
    members: set[str] = field(default_factory=set)
    now: float = 0.0
    told: Typed | None = None
    told_at: float = 0.0
    typed_at: float = 0.0
    is_changed: bool = False
    mirrors: set[Typed] = field(default_factory=set)
    _sources: dict[tuple[str, str], float] = field(default_factory=dict)
    _ended: dict[str, float] = field(default_factory=dict)

    @property
    def typed(self) -> Typed:
        """What is right now."""
        users = {user for _, user in self._sources}
        is_listed = max(len(users), len(self.members)) <= self.bounds.listed
        ids = tuple(sorted(users, key=str.encode)) if is_listed else None
        return Typed(self.channel, len(users), ids)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        if self._sources:
            self.typed_at = min(until, max(self._sources.values()))
        self.now = until
        going_on = {each: over_at for each, over_at in self._sources.items() if over_at > until}
        self.is_changed |= going_on != self._sources
        self._sources = going_on

    def take(self, report: Report) -> bool:
        """Take what a source says; tell whether it is taken."""
        source = report.source, report.user_id
        former = dict.fromkeys(self._sources)
        is_taken = self._take(report, source)
        self.is_changed |= former != dict.fromkeys(self._sources)
        return is_taken

    def _take(self, report: Report, source: tuple[str, str]) -> bool:
        if report.lasts > 0:
            is_full = len(self._sources) >= self.bounds.typists
            if self.now - report.age < self._ended.get(report.user_id, -inf):
                self._end([source] if source in self._sources else [])
                return False
            if source not in self._sources and is_full:
                return False
            self._sources[source] = self.now + report.lasts
        else:
            ended = [each for each in self._sources if each[1] == report.user_id]
            self._end(ended if report.everywhere else {source} & set(ended))
            if report.everywhere:
                former = self._ended.get(report.user_id, -inf)
                self._ended[report.user_id] = max(former, self.now - report.age)
        return True

    def _end(self, sources: Iterable[tuple[str, str]]) -> None:
        for each in sources:
            del self._sources[each]
        self.typed_at = self.now

    def hear(self, announced: Sequence[Typed]) -> None:
        """See that what was announced in one step is right, not too early, and new."""
        for typed in announced:
            assert [typed] == list(announced)
            assert typed == self.typed
            if self.told is not None:
                assert self.now >= self.told_at + self.bounds.pause
                is_forgotten = self.now >= self.told_at + self.bounds.told_for
                assert typed != self.told or self.is_changed or is_forgotten
            self.told, self.told_at, self.is_changed = typed, self.now, False
            self.mirrors = {typed}

    def check_told(self, *, is_due: bool) -> None:
        """See that the last announcement is the present truth, if it must be by now."""
        typed, told = self.typed, self.told
        if told is None:
            assert typed.count == 0
        elif is_due and self.now >= self.told_at + self.bounds.pause:
            for known in (told, *self.mirrors):
                assert known.count == typed.count
                assert known.user_ids == typed.user_ids or None in {known.user_ids, typed.user_ids}

    def check_reading(self, typing: Typing) -> None:
        """See that what is read is true; how long it is remembered that it was told is not exact."""
        typed, told_for = self.typed, self.bounds.told_for
        self.mirrors.add(typed)
        assert (typing.count, typing.user_ids) == (typed.count, typed.user_ids)
        if self.told is None or self.now >= max(self.told_at, self.typed_at) + told_for:
            assert not typing.was_told or (self.told is not None and typed.count)
        elif self.now < self.told_at + told_for:
            assert typing.was_told

    def lose(self) -> None:
        """Forget all, unannounced."""
        self._sources.clear()
        self._ended.clear()
        self.told = None
        self.mirrors.clear()
