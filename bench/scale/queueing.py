"""
A simulation of processes that take whatever has arrived, and handle it together.

Pure.  That is what Redis and the gateways do: each is one thread around an event loop, so what
comes while it works waits, and is handled with all else that waits.  How much is handled together
is not put in: it follows from the times of arrival.
"""

import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_ARRIVES, _FREE = 0, 1  # What comes at an instant comes before who is free then looks for it.


class Job(NamedTuple):
    """
    Something to be done.

    Attributes:
        born: When it, or what it follows from, came into the world; seconds.
        what: For the station that has to do it.
    """

    born: float
    what: Any


class Done(NamedTuple):
    """
    What a station did with jobs that it took together.

    Attributes:
        seconds: Of CPU.
        next: Jobs for other stations, by their names, when it is done.
    """

    seconds: float
    next: Sequence[tuple[str, Job]] = ()


Work = Callable[[Sequence[Job], float], Done]  # The jobs, and how long there were none before.


@dataclass(slots=True)
class Course:
    """
    What a simulation brought.

    Attributes:
        busy: CPU seconds of each station.
        turns: How often each station took jobs.
        ended: When the last job was done.
        waits: Seconds from the birth of each job that led to no other until it was done.
    """

    busy: dict[str, float]
    turns: dict[str, int]
    ended: float = 0.0
    waits: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Station:
    work: Work
    waiting: list[Job] = field(default_factory=list)
    is_busy: bool = False
    free_since: float = 0.0


def run(stations: Mapping[str, Work], arrivals: Iterable[tuple[float, str, Job]]) -> Course:
    """
    Let jobs pass through stations until nothing is left to do.

    Args:
        stations: What each does with the jobs that it takes together.
        arrivals: When, where and what comes from outside.
    """
    order = itertools.count()
    agenda: list[tuple[float, int, int, str, Job | None]] = [
        (at, _ARRIVES, next(order), name, job) for at, name, job in arrivals
    ]
    heapq.heapify(agenda)
    known = {name: _Station(work) for name, work in stations.items()}
    course = Course(dict.fromkeys(known, 0.0), dict.fromkeys(known, 0))
    while agenda:
        at, kind, _, name, job = heapq.heappop(agenda)
        station = known[name]
        if kind == _ARRIVES and job is not None:
            station.waiting.append(job)
            if not station.is_busy:
                station.is_busy = True
                heapq.heappush(agenda, (at, _FREE, next(order), name, None))
        elif station.waiting:
            until, following = _turn(name, station, at, course)
            heapq.heappush(agenda, (until, _FREE, next(order), name, None))
            for where, each in following:
                heapq.heappush(agenda, (until, _ARRIVES, next(order), where, each))
        else:
            station.is_busy = False
    return course


def _turn(
    name: str, station: _Station, at: float, course: Course
) -> tuple[float, Sequence[tuple[str, Job]]]:
    """Let a station take what waits; return until when, and what follows."""
    jobs, station.waiting = station.waiting, []
    done = station.work(jobs, at - station.free_since)
    course.busy[name] += done.seconds
    course.turns[name] += 1
    course.ended = station.free_since = at + done.seconds
    if not done.next:
        course.waits.extend(course.ended - job.born for job in jobs)
    return course.ended, done.next
