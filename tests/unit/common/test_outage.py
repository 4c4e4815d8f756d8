"""An outage is one line when it begins and one when it ends."""

import time

import pytest
from structlog.testing import capture_logs

from libs.common.errors import Unavailable
from libs.common.outage import Outage, reason_of, standings
from tests.support.fakes.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outage(clock: Clock) -> Outage:
    return Outage("bus", clock, client="listener")


class TestLog:
    """What an operator reads."""

    def test_two_lines(self, outage: Outage, clock: Clock) -> None:
        """Failures after the first are silent, and so is every answer after the first."""
        with capture_logs() as logs:
            outage.lost("refused")
            clock.now += 2.5
            outage.lost("reset")
            clock.now += 1.0
            outage.found()
            outage.found()

        assert logs == [
            {
                "event": "backend.lost",
                "log_level": "warning",
                "backend": "bus",
                "reason": "refused",
                "client": "listener",
            },
            {
                "event": "backend.found",
                "log_level": "info",
                "backend": "bus",
                "reason": "reset",
                "seconds": 3.5,
                "client": "listener",
            },
        ]

    def test_untold(self, clock: Clock) -> None:
        """Where another one tells of the same backend, this one is silent, and counts nothing."""
        silent = Outage("test/untold", clock, is_told=False)
        with capture_logs() as logs:
            silent.lost("refused")
            was_away = silent.is_away
            silent.found()

        assert (was_away, silent.is_away) == (True, False)
        assert logs == []
        assert "test/untold" not in standings()

    def test_never_away(self, outage: Outage) -> None:
        """Answers alone say nothing."""
        with capture_logs() as logs:
            outage.found()

        assert logs == []

    def test_again(self, outage: Outage, clock: Clock) -> None:
        """Each outage is told, with its own time."""
        with capture_logs() as logs:
            for seconds in (1.0, 2.0):
                outage.lost("refused")
                clock.now += seconds
                outage.found()

        assert [line.get("seconds") for line in logs] == [None, 1.0, None, 2.0]

    def test_any_fact(self) -> None:
        """Facts may have any name, that of an argument too."""
        with capture_logs() as logs:
            Outage("bus", clock="wall").lost("refused")

        assert logs[0]["clock"] == "wall"


class TestState:
    """What health reads."""

    def test_there(self, outage: Outage) -> None:
        assert not outage.is_away
        assert (outage.backend, outage.reason, outage.since, outage.seconds) == ("bus", "", None, 0)

    def test_away(self, outage: Outage, clock: Clock) -> None:
        """It is away since the first failure, and the reason is that of the last."""
        outage.lost("refused")
        clock.now += 2.0
        outage.lost("reset")

        assert outage.is_away
        assert (outage.reason, outage.since, outage.seconds) == ("reset", 1000.0, 2.0)

    def test_back(self, outage: Outage) -> None:
        """Nothing is left of an outage that is over."""
        outage.lost("refused")
        outage.found()

        assert not outage.is_away
        assert (outage.reason, outage.since, outage.seconds) == ("", None, 0)


class TestReason:
    """One line, from what lies behind an error."""

    @pytest.mark.parametrize(
        "cause, reason",
        [
            (OSError("no route to host"), "no route to host"),
            (OSError("two\n  lines"), "two lines"),
            (TimeoutError(), "no answer in time"),
            (ConnectionResetError(), "connection reset"),
            (
                OSError("[Error 7] RequestTimedOutError. ('10.0.0.1', 9092, <Kind.INET: 2>)"),
                "request timed out. 10.0.0.1:9092",
            ),
        ],
    )
    def test_cause(self, cause: Exception, reason: str) -> None:
        """The cause tells more than our own word for it."""
        error = Unavailable("bus")
        error.__cause__ = cause

        assert reason_of(error) == reason
        assert reason_of(cause) == reason

    def test_without_a_cause(self) -> None:
        assert reason_of(Unavailable("bus")) == "the bus backend is unavailable"


class TestUsers:
    """A backend with several users is away for the process while it is for one of them."""

    def test_two_lines(self, outage: Outage, clock: Clock) -> None:
        """The first that finds it away tells, with its own reason, and the last to whom it is back."""
        with capture_logs() as logs:
            outage.lost("refused", by="listener")
            outage.lost("no memory", by="server:1")
            outage.found(by="listener")
            clock.now += 1.5
            still = outage.is_away, outage.reason
            outage.found(by="server:1")

        assert still == (True, "no memory")
        assert not outage.is_away
        assert [(line["event"], line["reason"]) for line in logs] == [
            ("backend.lost", "refused"),
            ("backend.found", "no memory"),
        ]
        assert (logs[0]["by"], logs[1]["seconds"]) == ("listener", 1.5)

    def test_reasons(self, outage: Outage) -> None:
        """Operators read each reason once."""
        for user, reason in (("a", "refused"), ("b", "refused"), ("c", "reset")):
            outage.lost(reason, by=user)

        assert outage.reason == "refused; reset"

    def test_somebody_else(self, outage: Outage) -> None:
        """That it answers one user says nothing of another."""
        outage.lost("refused", by="a")
        outage.found(by="b")
        outage.found()

        assert outage.is_away

    def test_ensure(self, outage: Outage) -> None:
        """Whoever cannot go on without it says why."""
        outage.ensure()
        outage.lost("refused", by="a")

        with pytest.raises(Unavailable) as caught:
            outage.ensure()

        assert (caught.value.backend, reason_of(caught.value)) == ("bus", "refused")

    def test_since(self, outage: Outage) -> None:
        """It says since when: the instant of the line in the log, however often it was asked later."""
        before = time.time()
        outage.lost("refused", by="a")
        lost_at = outage.lost_at
        outage.lost("reset", by="b")

        with pytest.raises(Unavailable) as caught:
            outage.ensure()

        assert lost_at is not None
        assert before <= lost_at <= time.time()
        assert caught.value.since == lost_at
        for user in ("a", "b"):
            outage.found(by=user)
        assert outage.lost_at is None
