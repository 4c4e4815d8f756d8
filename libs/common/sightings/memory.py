"""Sightings of a single process: the reference implementation of `port.Sightings`."""

from collections.abc import Collection, Sequence

from libs.common.sightings.port import Trail
from libs.common.sightings.summary import Span, Summary

_Key = tuple[str, str]  # The app, and the user.


class MemorySightings:
    """Sightings of one process, lost when it ends.  See `Sightings`."""

    def __init__(self) -> None:
        self._seen: dict[_Key, tuple[float, float | None]] = {}  # Last seen, online since.
        self._spans: dict[_Key, dict[float, float]] = {}  # Of each user: began to ended.

    async def check(self) -> None:
        """See `Sightings.check`: it is this process."""

    async def note(self, summaries: Sequence[Summary]) -> None:
        """See `Sightings.note`."""
        for summary in summaries:
            self._note((summary.app, summary.user), summary)

    def _note(self, key: _Key, summary: Summary) -> None:
        last_seen, since = self._seen.get(key, (summary.last_seen, None))
        spans = list(summary.spans)
        if since is not None and summary.left_at is not None and since <= summary.left_at:
            spans.insert(0, Span(since, summary.left_at))
        for span in spans:
            self._spans.setdefault(key, {}).setdefault(*span)
        if summary.last_seen >= last_seen:
            self._seen[key] = summary.last_seen, summary.online_since

    async def last_seen(self, app: str, users: Collection[str]) -> dict[str, float]:
        """See `Sightings.last_seen`."""
        return {user: self._seen[app, user][0] for user in users if (app, user) in self._seen}

    async def trail(self, app: str, user: str, *, limit: int) -> Trail | None:
        """See `Sightings.trail`."""
        key = app, user
        newest = sorted(self._spans.get(key, {}).items(), reverse=True)[:limit]
        spans = tuple(Span(*pair) for pair in newest)
        if key in self._seen:
            return Trail(*self._seen[key], spans)
        return Trail(spans[0].ended_at, None, spans) if spans else None

    async def erase(self, app: str, user: str) -> bool:
        """See `Sightings.erase`."""
        kept = [each.pop((app, user), None) for each in (self._seen, self._spans)]
        return any(each is not None for each in kept)

    async def forget(self, *, seen_before: float, spans_before: float, limit: int) -> int:
        """See `Sightings.forget`."""
        seen = [key for key, (last_seen, _) in self._seen.items() if last_seen < seen_before]
        spans = [
            (key, began_at)
            for key, known in self._spans.items()
            for began_at, ended_at in known.items()
            if ended_at < spans_before
        ]
        for key in seen[:limit]:
            del self._seen[key]
        for key, began_at in spans[:limit]:
            self._spans[key].pop(began_at)
            if not self._spans[key]:
                del self._spans[key]
        return len(seen[:limit]) + len(spans[:limit])
