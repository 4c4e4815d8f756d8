"""Since when backends are away."""

import pytest

from libs.common.errors import Unavailable
from services.presence.absences import Absences
from tests.support.fakes.clock import Clock


def fail(absences: Absences, backend: str) -> float | None:
    """Let a call to a backend fail; return since when it is said to be away."""
    with pytest.raises(Unavailable) as raised, absences.watched(backend):
        raise Unavailable(backend)
    return raised.value.since


class TestWatched:
    """The first failure counts, until a call succeeds."""

    def test_first(self) -> None:
        clock = Clock()
        absences, began_at = Absences(clock), clock.now

        for _ in range(2):
            assert fail(absences, "roster") == began_at
            clock.now += 1

        assert fail(absences, "sightings") == began_at + 2

    def test_back(self) -> None:
        clock = Clock()
        absences = Absences(clock)
        fail(absences, "roster")
        clock.now += 5

        with absences.watched("sightings"):
            pass
        still = fail(absences, "roster")
        with absences.watched("roster"):
            pass

        assert (still, fail(absences, "roster")) == (clock.now - 5, clock.now)

    def test_perhaps(self) -> None:
        """Who may not have been asked is not back; since when is told all the same."""
        clock = Clock()
        absences = Absences(clock)
        with pytest.raises(Unavailable) as raised, absences.watched("marks", perhaps=["bus"]):
            raise Unavailable("bus")
        clock.now += 5

        with absences.watched("marks", perhaps=["bus"]):
            pass

        assert raised.value.since == fail(absences, "bus") == clock.now - 5

    def test_not_asked(self) -> None:
        """What fails and is none of those that were asked has no outage."""
        with pytest.raises(Unavailable) as raised, Absences(Clock()).watched("marks"):
            raise Unavailable("receipts")

        assert raised.value.since is None

    def test_other_errors(self) -> None:
        """What is no outage says nothing of one."""
        absences = Absences(Clock())
        since = fail(absences, "roster")

        with pytest.raises(KeyError), absences.watched("roster"):
            raise KeyError

        assert fail(absences, "roster") == since
