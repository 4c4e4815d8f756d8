"""The parts of the bench: what each is called, what it reports and how it is measured."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench import (
    authorising,
    connecting,
    fanout,
    figures,
    joining,
    journey,
    marks,
    memory,
    sightings,
    tls,
    typists,
    watching,
    webhooks,
)
from bench.beside import comparison, publishing, records, small_events
from bench.beside import connecting as arriving
from bench.beside.comparison import Comparison
from bench.figures import Figure, Sample
from bench.place import Place
from bench.scale import checking
from bench.stops import attacks, longest

Measure = Callable[[Place], Awaitable[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """
    A part of the bench.

    Attributes:
        name: On the command line.
        measure: Measures once.
        figures: Its lines in the report.
        comparisons: Its lines that are compared with an earlier release, where there is one.
        runs: How often it is measured at most.
    """

    name: str
    measure: Measure
    figures: Sequence[Figure] = ()
    comparisons: Sequence[Comparison] = ()
    runs: int = 5

    def lines(self, *, base: bool) -> list[Figure]:
        """Return all its lines."""
        return [*self.figures, *comparison.lines(self.comparisons, base=base)]


async def _scale(place: Place) -> Sample:
    return await checking.measure(place.redis, place.here)


async def _publish_redis(place: Place) -> Sample:
    return await publishing.measure_redis(place.sides, place.redis.pid)


async def _record(place: Place) -> Sample:
    return await records.measure(place.sides, await place.kafka())


async def _auth(place: Place) -> Sample:
    return await authorising.measure(place.here, await place.postgres())


async def _sightings(place: Place) -> Sample:
    return await sightings.measure(await place.postgres())


async def _marks(place: Place) -> Sample:
    return await marks.measure(place.here, await place.postgres())


async def _journey(place: Place) -> Sample:
    return await journey.measure(place.here, await place.kafka())


def _here(measure: Callable[..., Awaitable[Sample]]) -> Measure:
    async def run(place: Place) -> Sample:
        return await measure(place.here)

    return run


def _sides(measure: Callable[..., Awaitable[Sample]]) -> Measure:
    async def run(place: Place) -> Sample:
        return await measure(place.sides)

    return run


PARTS = (
    Part(name="fanout", figures=figures.FANOUT, measure=_here(fanout.measure)),
    Part(name="connect", comparisons=arriving.LINES, measure=_sides(arriving.measure)),
    Part(name="publish", comparisons=publishing.LINES, measure=_sides(publishing.measure), runs=3),
    Part(
        name="publish-redis",
        comparisons=publishing.REDIS_LINES,
        measure=_publish_redis,
        runs=3,
    ),
    Part(
        name="small", comparisons=small_events.LINES, measure=_sides(small_events.measure), runs=2
    ),
    Part(name="record", comparisons=records.LINES, measure=_record, runs=3),
    Part(name="watching", figures=figures.WATCHING, measure=_here(watching.measure)),
    Part(name="memory", figures=figures.MEMORY, measure=_here(memory.measure), runs=3),
    Part(name="tls", figures=tls.LINES, measure=_here(tls.measure), runs=1),
    Part(name="stops", comparisons=longest.LINES, measure=_sides(longest.measure), runs=1),
    Part(name="attacks", figures=attacks.LINES, measure=_here(attacks.measure), runs=1),
    Part(name="newcomers", figures=figures.CONNECTING, measure=_here(connecting.measure)),
    Part(name="joining", figures=figures.JOINING, measure=_here(joining.measure)),
    Part(name="typing", figures=figures.TYPING, measure=_here(typists.measure)),
    Part(name="webhooks", figures=figures.WEBHOOKS, measure=_here(webhooks.measure)),
    Part(name="scale", figures=figures.SCALE, measure=_scale, runs=1),
    Part(name="auth", figures=figures.AUTHORISING, measure=_auth),
    Part(name="sightings", figures=figures.SIGHTINGS, measure=_sightings),
    Part(name="marks", figures=figures.MARKS, measure=_marks),
    Part(name="journey", figures=figures.JOURNEY, measure=_journey),
)
NAMES = tuple(part.name for part in PARTS)
