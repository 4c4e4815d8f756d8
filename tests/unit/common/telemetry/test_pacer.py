"""The pacer as a processor: which lines go through, and what is told of the others."""

import logging
from typing import Any

import pytest
import structlog

from libs.common.telemetry.pacer import Pacer
from libs.common.telemetry.pacing import QUIET, RATE, RATE_BY, HeldBack
from tests.support.fakes.clock import Clock

BURST = int(RATE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> list[HeldBack]:
    return []


@pytest.fixture
def pacer(said: list[HeldBack], clock: Clock) -> Pacer:
    return Pacer(said.append, clock)


def passed(pacer: Pacer, event: str, times: int, **facts: Any) -> list[dict[str, Any]]:
    """Give it lines, and return those that went through."""
    through = []
    for _ in range(times):
        try:
            through.append(dict(pacer(None, "info", {"event": event, **facts})))
        except structlog.DropEvent:
            continue
    return through


def record(text: str, error: Exception | None = None) -> logging.LogRecord:
    """What another library logs."""
    told = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("noisy", logging.ERROR, "", 0, text, None, told)


def raised(number: int) -> None:
    """Raise at one of three places."""
    if number % 3 == 0:
        raise KeyError(number)
    if number % 3 == 1:
        raise ValueError(number)
    raise AttributeError(number)


class TestLines:
    """Each is let through, or dropped."""

    def test_more(self, pacer: Pacer, clock: Clock) -> None:
        """The line after those that were held back has their number."""
        passed(pacer, "a", BURST + 5)
        clock.now += QUIET

        assert passed(pacer, "a", 1, n=1) == [{"event": "a", "more": 5, "n": 1}]
        assert passed(pacer, "a", 1) == [{"event": "a"}]

    def test_by(self, pacer: Pacer, clock: Clock) -> None:
        """The value is not written; it need be no text."""
        first = passed(pacer, "a", 10, pace_by=7)
        clock.now += 1.01 / RATE_BY
        second = passed(pacer, "a", 1, pace_by="7")

        assert first == [{"event": "a"}]
        assert second == [{"event": "a", "more": 9}]

    def test_others(self, pacer: Pacer) -> None:
        """A record of another library goes by the name of its logger, and by how it begins."""
        assert len(passed(pacer, "a 1", 10, _record=record("a %d\nb"))) == 1
        assert passed(pacer, "a 2", 1, _record=record("a %d\nc")) == []
        assert len(passed(pacer, "c", 1, _record=record("c"))) == 1
        assert passed(pacer, "a", 1) == [{"event": "a"}]

    def test_exceptions(self, pacer: Pacer) -> None:
        """A line with an exception is paced by what was raised, and where."""
        told = []
        for number in [*range(5)] * 2:
            try:
                raised(number)
            except (KeyError, ValueError, AttributeError) as error:
                told += passed(pacer, "a", 1, exc_info=True)
                told += passed(pacer, "a", 1, exc_info=error)
                told += passed(pacer, "b", 1, _record=record("b", error))

        assert [line["event"] for line in told] == ["a", "b"] * 3

    def test_never_raised(self, pacer: Pacer) -> None:
        assert len(passed(pacer, "a", 2, exc_info=ValueError())) == 1
        assert len(passed(pacer, "a", 2, exc_info=None)) == 2

    def test_all(self, said: list[HeldBack], clock: Clock) -> None:
        """Whoever wants to see every line sees all of a kind, as many as of an event."""
        pacer = Pacer(said.append, clock, shows_all=lambda: True)

        assert len(passed(pacer, "a", BURST + 5, pace_by="x")) == BURST


class TestSaid:
    """What no line tells is told by itself."""

    def test_due(self, pacer: Pacer, said: list[HeldBack], clock: Clock) -> None:
        """When none came for a while."""
        passed(pacer, "a", BURST + 5)
        pacer.say_due()
        early = list(said)
        clock.now += QUIET
        pacer.say_due()

        assert early == []
        assert said == [HeldBack("a", "", 5)]

    def test_rest(self, pacer: Pacer, said: list[HeldBack]) -> None:
        """When the process ends."""
        passed(pacer, "a", BURST + 5)
        pacer.say_rest()
        pacer.say_rest()

        assert said == [HeldBack("a", "", 5)]

    def test_fork(self, pacer: Pacer, said: list[HeldBack]) -> None:
        """In a child of the process nothing is told that its parent tells."""
        passed(pacer, "a", BURST + 5)
        pacer.restart()
        pacer.say_rest()

        assert said == []
        assert passed(pacer, "a", 1) == [{"event": "a"}]
