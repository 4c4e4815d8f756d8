"""
One presence channel that fills, simulated: what Redis and each gateway spend until all are in.

Pure.  The second of the two things that gateways cannot take from Redis: a channel lies on one
node, whoever joins is shown everybody, and everybody is told of whoever joins.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.scale.constants import RosterCosts
from bench.scale.costs import Cost
from bench.scale.queueing import Course, Done, Job, run
from libs.common.roster.redis import MOST_SEATS

REDIS = "redis"


@dataclass(frozen=True, slots=True)
class _Ask:
    """A client wants to join."""


@dataclass(frozen=True, slots=True)
class _Seat:
    """A gateway asks for seats."""

    gateway: str
    seats: int


@dataclass(frozen=True, slots=True)
class _Seated:
    """Redis answers: so many seats are taken, so many members are there."""

    seats: int
    members: int


@dataclass(frozen=True, slots=True)
class _Told:
    """So many members have come."""

    transitions: int


@dataclass(slots=True)
class _Roster:
    costs: RosterCosts
    publish: Cost
    gateways: Sequence[str]
    members: int = 0

    def work(self, jobs: Sequence[Job], _: float) -> Done:
        seconds, following = 0.0, []
        for job in jobs:
            ask: _Seat = job.what
            self.members += ask.seats
            costs = self.costs
            seconds += costs.join + self.members * costs.listed
            seconds += ask.seats * (costs.seat + costs.online)
            telling = self.publish.write + self.publish.message * ask.seats
            seconds += telling * len(self.gateways)
            told = Job(job.born, _Told(ask.seats))
            following += [(name, told) for name in self.gateways]
            answer = _Seated(ask.seats, self.members)
            following.append((ask.gateway, Job(job.born, answer)))
        return Done(seconds, following)


@dataclass(slots=True)
class _Gateway:
    name: str
    costs: RosterCosts
    fan_out: Cost
    waiting: list[Job] = field(default_factory=list)
    is_asking: bool = False
    here: int = 0

    def work(self, jobs: Sequence[Job], rested: float) -> Done:
        self.waiting += [job for job in jobs if isinstance(job.what, _Ask)]
        told = sum(job.what.transitions for job in jobs if isinstance(job.what, _Told))
        seconds = self.fan_out.seconds(told, self.here, rested=rested) if told else 0.0
        seconds += self.costs.newcomer * sum(isinstance(job.what, _Ask) for job in jobs)
        seconds += sum(self._admit(job.what) for job in jobs if isinstance(job.what, _Seated))
        return Done(seconds, self._ask())

    def _admit(self, seated: _Seated) -> float:
        self.is_asking = False
        self.here += seated.seats
        listing = self.costs.read + seated.seats * self.costs.shown
        return self.costs.asked + seated.members * listing

    def _ask(self) -> list[tuple[str, Job]]:
        """Ask for all who wait, unless an answer is awaited: as `services.gateway` does."""
        if self.is_asking or not self.waiting:
            return []
        asks, self.waiting = self.waiting[:MOST_SEATS], self.waiting[MOST_SEATS:]
        self.is_asking = True
        return [(REDIS, Job(asks[0].born, _Seat(self.name, len(asks))))]


def gather(
    roster: RosterCosts,
    publish: Cost,
    fan_out: Cost,
    *,
    gateways: int,
    members: int,
    rate: float = 0.0,
) -> Course:
    """
    Let users join one channel, spread over gateways.

    Args:
        roster: What the channel costs.
        publish: What telling the gateways costs Redis.
        fan_out: What telling costs a gateway.
        gateways: How many.
        members: How many users join.
        rate: A second; 0: all at once.
    """
    names = [f"gateway {number}" for number in range(gateways)]
    stations = {name: _Gateway(name, roster, fan_out).work for name in names}
    arrivals = []
    for number in range(members):
        at = number / rate if rate else 0.0
        arrivals.append((at, names[number % gateways], Job(at, _Ask())))
    return run({REDIS: _Roster(roster, publish, names).work, **stations}, arrivals)
