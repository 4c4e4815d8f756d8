"""Sightings that wait, in bounded memory."""

from libs.common.sightings.port import AT_ONCE
from libs.common.sightings.summary import Sighting, Span, Summary
from services.presence.users.pending import DroppedSightings, PendingSightings


def seen(user: str, *transitions: tuple[str, float]) -> list[Sighting]:
    """Say what happened to a user: ``+`` comes, ``-`` goes."""
    return [Sighting("1", user, at, sign == "+") for sign, at in transitions]


def waiting(pending: PendingSightings) -> list[Summary]:
    return [summary for batch in pending.batches() for summary in batch]


class TestAdd:
    """What waits is one summary of each user."""

    def test_folded(self) -> None:
        pending = PendingSightings(keeps_spans=True)

        pending.add(seen("7", ("+", 1)))
        pending.add([*seen("8", ("-", 2)), *seen("7", ("-", 3))])

        assert waiting(pending) == [
            Summary("1", "8", 2, left_at=2),
            Summary("1", "7", 3, spans=(Span(1, 3),)),
        ]

    def test_without_spans(self) -> None:
        """Where none are kept, nothing tells of them."""
        pending = PendingSightings(keeps_spans=False)

        pending.add(seen("7", ("-", 1), ("+", 2), ("-", 3)))

        assert waiting(pending) == [Summary("1", "7", 3)]

    def test_batches(self) -> None:
        pending = PendingSightings(keeps_spans=True)
        pending.add(seen(str(number), ("+", 1))[0] for number in range(AT_ONCE + 1))

        assert [len(batch) for batch in pending.batches()] == [AT_ONCE, 1]


class TestStored:
    """What was stored is forgotten."""

    def test_all(self) -> None:
        pending = PendingSightings(keeps_spans=True)
        pending.add(seen("7", ("+", 1)))

        for batch in pending.batches():
            pending.stored(batch)

        assert (len(pending), waiting(pending)) == (0, [])

    def test_seen_meanwhile(self) -> None:
        """Who was seen again while it was being stored goes on waiting, with all that is new."""
        pending = PendingSightings(keeps_spans=True)
        pending.add([*seen("7", ("+", 1)), *seen("8", ("+", 1))])
        (batch,) = pending.batches()

        pending.add(seen("7", ("-", 2)))
        pending.stored(batch)

        assert waiting(pending) == [Summary("1", "7", 2, spans=(Span(1, 2),))]

    def test_room(self) -> None:
        """Spans that were stored make room for others."""
        pending = PendingSightings(keeps_spans=True, most_spans=1)
        pending.add(seen("7", ("+", 1), ("-", 2)))
        (batch,) = pending.batches()
        pending.stored(batch)

        pending.add(seen("7", ("+", 3), ("-", 4)))

        assert waiting(pending) == [Summary("1", "7", 4, spans=(Span(3, 4),))]


class TestBounds:
    """What does not fit is counted."""

    def test_spans(self) -> None:
        """The newest transition of each user is kept all the same."""
        pending = PendingSightings(keeps_spans=True, most_spans=2)

        pending.add(seen("7", ("+", 1), ("-", 2), ("+", 3), ("-", 4), ("+", 5), ("-", 6)))
        pending.add(seen("8", ("+", 1), ("-", 2)))

        assert waiting(pending) == [
            Summary("1", "7", 6, spans=(Span(1, 2), Span(3, 4))),
            Summary("1", "8", 2),
        ]
        assert pending.dropped() == DroppedSightings(users=0, spans=2)

    def test_users(self) -> None:
        """Who was seen longest ago goes first, and what had waited of them makes room."""
        pending = PendingSightings(keeps_spans=True, most_users=2, most_spans=1)
        pending.add(seen("7", ("+", 1)))
        pending.add(seen("8", ("+", 1), ("-", 2)))
        pending.add(seen("7", ("+", 3)))

        pending.add(seen("9", ("+", 4), ("-", 5)))
        pending.add(seen("7", ("-", 6)))

        assert [(each.user, each.last_seen) for each in waiting(pending)] == [("9", 5), ("7", 6)]
        assert pending.dropped() == DroppedSightings(users=1, spans=1)

    def test_told_once(self) -> None:
        pending = PendingSightings(keeps_spans=True, most_users=1)
        pending.add([*seen("7", ("+", 1)), *seen("8", ("+", 1))])

        assert pending.dropped()
        assert not pending.dropped()
