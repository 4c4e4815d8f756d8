"""
The way of events from Redis to subscribers, simulated: what Redis and each gateway spend.

Pure.  The first of the two things that gateways cannot take from Redis: each event goes to every
gateway that follows its channel.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from bench.scale.costs import Cost
from bench.scale.queueing import Course, Done, Job, run

REDIS = "redis"
Layout = Sequence[Mapping[str, int]]  # By channel: how many subscribers each gateway has.


def spread(
    publish: Cost,
    fan_out: Cost,
    layout: Layout,
    published: Sequence[tuple[float, Sequence[int]]],
    *,
    room: float = 0.0,
) -> Course:
    """
    Let events go from Redis to the gateways, and from there to the subscribers.

    Args:
        publish: What Redis spends.
        fan_out: What a gateway spends.
        layout: Who follows which channel, and for how many subscribers.
        published: When, and in which channels: the events of one pipeline.
        room: What a gateway spends besides on each channel that has events among those it takes.
    """
    names = sorted({name for followers in layout for name in followers})
    stations = {name: partial(_deliver, fan_out, room, layout, name) for name in names}
    arrivals = [(at, REDIS, Job(at, channel)) for at, channels in published for channel in channels]
    return run({REDIS: partial(_publish, publish, layout), **stations}, arrivals)


def _publish(cost: Cost, layout: Layout, jobs: Sequence[Job], rested: float) -> Done:
    following = [(name, job) for job in jobs for name in layout[job.what]]
    readers = Counter(name for name, _ in following)
    writing = sum(cost.write + cost.message * events for events in readers.values())
    return Done(cost.seconds(len(jobs), 0, rested=rested) + writing, following)


def _deliver(
    cost: Cost, room: float, layout: Layout, name: str, jobs: Sequence[Job], rested: float
) -> Done:
    channels = Counter(job.what for job in jobs)
    writing = sum(
        room + layout[channel][name] * (cost.write + cost.message * events)
        for channel, events in channels.items()
    )
    return Done(cost.seconds(len(jobs), 0, rested=rested) + writing)


def share(cost: Cost, *, rate: float, readers: float, events: int = 2000, seed: int = 1) -> float:
    """
    Tell which share of a CPU events take that come at random.

    Each goes to readers of its own; what comes while others are handled is handled together.

    Args:
        cost: What the process spends.
        rate: Events a second.
        readers: To whom each event goes.
        events: How many are simulated.
        seed: Of the times at which they come.
    """
    chance, at, arrivals = random.Random(seed), 0.0, []  # noqa: S311 - a simulation, no secret
    for _ in range(events):
        at += chance.expovariate(rate)
        arrivals.append((at, "process", Job(at, None)))
    each = cost.marginal(readers)

    def work(jobs: Sequence[Job], rested: float) -> Done:
        return Done(cost.seconds(0, 0, rested=rested) + each * len(jobs))

    course = run({"process": work}, arrivals)
    return course.busy["process"] / max(course.ended, at)
