"""Stations take what has arrived, together."""

from collections.abc import Sequence

from bench.scale.queueing import Done, Job, run


def arriving(*times: float, where: str = "one") -> list[tuple[float, str, Job]]:
    return [(at, where, Job(at, number)) for number, at in enumerate(times)]


class TestRun:
    """Turns of stations."""

    def test_at_one_instant(self) -> None:
        """
        What comes at the same instant is one turn.
        """
        course = run({"one": lambda *_: Done(1.0)}, arriving(0, 0, 0))

        assert course.turns == {"one": 1}
        assert course.busy == {"one": 1.0}

    def test_while_busy(self) -> None:
        """
        What comes during a turn waits, and is taken together.
        """
        taken: list[int] = []

        def work(jobs: Sequence[Job], _: float) -> Done:
            taken.append(len(jobs))
            return Done(1.0)

        course = run({"one": work}, arriving(0, 0.1, 0.2, 5))

        assert taken == [1, 2, 1]
        assert course.ended == 6.0
        assert course.waits == [1.0, 1.9, 1.8, 1.0]

    def test_passed_on(self) -> None:
        """
        What a station passes on arrives when it is done, and is as old as what it follows from.
        """
        stations = {
            "one": lambda jobs, _: Done(1.0, [("two", job) for job in jobs]),
            "two": lambda *_: Done(0.5),
        }

        course = run(stations, arriving(0, 0))

        assert course.busy == {"one": 1.0, "two": 0.5}
        assert course.waits == [1.5, 1.5]

    def test_rested(self) -> None:
        """
        A station is told how long it had nothing to do.
        """
        rests: list[float] = []

        def work(_: Sequence[Job], rested: float) -> Done:
            rests.append(rested)
            return Done(1.0)

        run({"one": work}, arriving(0, 0.5, 5))

        assert rests == [0.0, 0.0, 3.0]
