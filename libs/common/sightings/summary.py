"""
What became of users, as values: who came online and went offline, folded to what is kept of it.

Pure.  Instants are UTC epoch seconds.  A user's transitions come in order, and may come again from
any one of them on; what was folded before then stays as it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple


class Sighting(NamedTuple):
    """
    A user came online or went offline.

    Attributes:
        app: The app's id.
        user: The user's id.
        at: When, in UTC epoch seconds.
        is_online: Whether the user came.
    """

    app: str
    user: str
    at: float
    is_online: bool


class Span(NamedTuple):
    """
    A time of being online, from the first connection to the end of the last one's grace.

    Attributes:
        began_at: UTC epoch seconds.
        ended_at: UTC epoch seconds.
    """

    began_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class Summary:
    """
    What became of one user.

    Attributes:
        app: The app's id.
        user: The user's id.
        last_seen: When the newest transition was.
        online_since: When the user came, if that is the newest transition; else None.
        left_at: When a span ended that had begun before what is told here; None: none did.
        spans: Those that both began and ended in what is told here, in order.
    """

    app: str
    user: str
    last_seen: float
    online_since: float | None = None
    left_at: float | None = None
    spans: tuple[Span, ...] = ()


def summary_of(sighting: Sighting) -> Summary:
    """Begin a summary with a user's first transition."""
    app, user, at, is_online = sighting
    if is_online:
        return Summary(app, user, at, online_since=at)
    return Summary(app, user, at, left_at=at)


def followed(known: Summary, sighting: Sighting) -> Summary:
    """
    Add a user's next transition; one that is older than the newest is a repetition.

    Who comes without having gone has gone unnoticed: when that was nobody knows, so no span is
    kept.
    """
    at = sighting.at
    if at < known.last_seen:
        return known
    if sighting.is_online:
        return replace(known, last_seen=at, online_since=at)
    if known.online_since is None:
        return replace(known, last_seen=at)
    spans = (*known.spans, Span(known.online_since, at))
    return replace(known, last_seen=at, online_since=None, spans=spans)


def summarised(sightings: Iterable[Sighting]) -> dict[tuple[str, str], Summary]:
    """Fold transitions, each user's in order; returns app and user to what became of them."""
    known: dict[tuple[str, str], Summary] = {}
    for each in sightings:
        before = known.get(each[:2])
        known[each[:2]] = followed(before, each) if before else summary_of(each)
    return known
