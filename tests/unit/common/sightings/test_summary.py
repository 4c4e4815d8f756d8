"""What became of users, folded."""

from libs.common.sightings.summary import Sighting, Span, Summary, summarised


def folded(*transitions: tuple[str, float]) -> Summary:
    """Fold what happened to a user: ``+`` comes, ``-`` goes."""
    sightings = [Sighting("1", "7", at, sign == "+") for sign, at in transitions]
    (summary,) = summarised(sightings).values()
    return summary


class TestFolded:
    """A user's transitions, in order."""

    def test_came(self) -> None:
        assert folded(("+", 1.0)) == Summary("1", "7", 1.0, online_since=1.0)

    def test_went(self) -> None:
        """Whose coming was told before ends a span of then."""
        assert folded(("-", 2.0)) == Summary("1", "7", 2.0, left_at=2.0)

    def test_came_and_went(self) -> None:
        assert folded(("+", 1.0), ("-", 2.0)) == Summary("1", "7", 2.0, spans=(Span(1.0, 2.0),))

    def test_several(self) -> None:
        summary = folded(("-", 1.0), ("+", 2.0), ("-", 3.0), ("+", 4.0))

        assert summary == Summary(
            "1", "7", 4.0, online_since=4.0, left_at=1.0, spans=(Span(2.0, 3.0),)
        )

    def test_repeated(self) -> None:
        """What comes again from any transition on changes nothing."""
        every = [("-", 1.0), ("+", 2.0), ("-", 3.0), ("+", 4.0)]

        for start in range(len(every)):
            assert folded(*every, *every[start:]) == folded(*every)

    def test_departure_lost(self) -> None:
        """When somebody went of whom it was not heard, nobody knows."""
        summary = folded(("+", 1.0), ("+", 5.0), ("-", 6.0))

        assert summary == Summary("1", "7", 6.0, spans=(Span(5.0, 6.0),))

    def test_arrival_lost(self) -> None:
        summary = folded(("+", 1.0), ("-", 2.0), ("-", 6.0))

        assert summary == Summary("1", "7", 6.0, spans=(Span(1.0, 2.0),))


def test_users_apart() -> None:
    """A user of another app is somebody else."""
    sightings = [
        Sighting("1", "7", 1.0, is_online=True),
        Sighting("2", "7", 2.0, is_online=False),
        Sighting("1", "8", 3.0, is_online=True),
    ]

    assert summarised(sightings) == {
        ("1", "7"): Summary("1", "7", 1.0, online_since=1.0),
        ("2", "7"): Summary("2", "7", 2.0, left_at=2.0),
        ("1", "8"): Summary("1", "8", 3.0, online_since=3.0),
    }
