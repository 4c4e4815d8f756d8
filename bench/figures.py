"""
What is reported, and what may not be exceeded.

Pure.  A sample is what one run measured, by name; a line of the report is a name's median over all
runs with the lowest and the highest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Sample = Mapping[str, float]

MICROSECONDS = 1e6
MILLISECONDS = 1e3
KIBIBYTES = 1 / 1024
THOUSANDS = 1e-3

TITLE, UNIT = 66, 12  # Characters of a line of the report.
WIDTH = TITLE + UNIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """
    A line of the report.

    Attributes:
        name: What samples call it.
        title: What it measures, in words.
        unit: In which it is printed; empty: none.
        scale: From the sample's unit, seconds or bytes, to this one.
        at_most: The most that the median may be, as printed.
        at_least: The least that the median may be, as printed.
    """

    name: str
    title: str
    unit: str = ""
    scale: float = 1.0
    at_most: float | None = None
    at_least: float | None = None

    def values(self, samples: Sequence[Sample]) -> list[float]:
        """Return what the runs measured, as printed."""
        return [sample[self.name] * self.scale for sample in samples]

    def complaint(self, samples: Sequence[Sample]) -> str | None:
        """Say what is wrong, if it is beyond its bound."""
        middle = median(self.values(samples))
        found = (
            f"{self.title}: the median of {len(samples)} runs is {middle:.2f} {self.unit}".rstrip()
        )
        if self.at_most is not None and middle > self.at_most:
            return f"{found}, more than {self.at_most:g}"
        if self.at_least is not None and middle < self.at_least:
            return f"{found}, less than {self.at_least:g}"
        return None

    def line(self, samples: Sequence[Sample]) -> str:
        """Print it."""
        values = self.values(samples)
        numbers = "".join(f"{value:10.2f}" for value in (median(values), min(values), max(values)))
        return f"{self.title:<{TITLE}}{self.unit:<{UNIT}}{numbers}   {self._bound()}".rstrip()

    def _bound(self) -> str:
        bounds = (("at least", self.at_least), ("at most", self.at_most))
        return ", ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)


FANOUT = (
    Figure(
        name="single",
        title="one event at a time: gateway, CPU a delivery",
        unit="µs",
        scale=MICROSECONDS,
    ),
    Figure(
        name="single_loop",
        title="one event at a time: write(2) loop, CPU a frame",
        unit="µs",
        scale=MICROSECONDS,
    ),
    Figure(name="single_ratio", title="one event at a time: gateway / loop", at_most=1.3),
    Figure(
        name="burst",
        title="bursts of sixteen: gateway, frames a CPU second",
        unit="thousand",
        scale=THOUSANDS,
    ),
    Figure(
        name="burst_loop",
        title="bursts of sixteen: write(2) loop, frames a CPU second",
        unit="thousand",
        scale=THOUSANDS,
    ),
    Figure(name="burst_ratio", title="bursts of sixteen: gateway / loop", at_least=8.0),
)
WATCHING = (
    Figure(
        name="watched_ratio",
        title="scraped every 5 s, 10 % traced: CPU a delivery, by that without",
        at_most=1.1,
    ),
    Figure(
        name="scrape",
        title="a scrape, 2,000 connections: CPU",
        unit="ms",
        scale=MILLISECONDS,
    ),
)
MEMORY = (
    Figure(
        name="idle",
        title="idle: resident memory a connection",
        unit="KiB",
        scale=KIBIBYTES,
        at_most=5.0,
    ),
    Figure(
        name="idle_subscribed",
        title="idle: the same, subscribed to a channel",
        unit="KiB",
        scale=KIBIBYTES,
        at_most=6.0,
    ),
)
CONNECTING = (
    Figure(
        name="connect_events",
        title="newcomers: events delivered meanwhile, to each of ten",
        unit="events/s",
    ),
    Figure(
        name="connect_median",
        title="newcomers: connect + subscribe, median",
        unit="ms",
        scale=MILLISECONDS,
    ),
    Figure(
        name="connect_p99",
        title="newcomers: connect + subscribe, p99",
        unit="ms",
        scale=MILLISECONDS,
        at_most=1000.0,
    ),
)
JOINING = (
    Figure(name="join_10", title="presence: joins, 1,000 at once, channels of 10", unit="a second"),
    Figure(name="join_100", title="presence: the same, channels of 100", unit="a second"),
    Figure(name="join_1000", title="presence: the same, one channel of 1,000", unit="a second"),
    Figure(
        name="join_10_cpu", title="presence: joins a CPU second, channels of 10", unit="a second"
    ),
    Figure(name="join_100_cpu", title="presence: the same, channels of 100", unit="a second"),
    Figure(name="join_1000_cpu", title="presence: the same, channel of 1,000", unit="a second"),
    Figure(
        name="join_ratio",
        title="presence: joins a CPU second, of 1,000 / of 10",
        at_least=0.5,
    ),
    Figure(
        name="settled",
        title="presence: 999 members of a killed gateway, until gone",
        unit="s",
        at_most=4.0,  # Lease and grace are 2 s.
    ),
)
TYPING = (
    Figure(
        name="typing_gateway",
        title="typing: 1,000 in 100 channels, gateway, CPU a word",
        unit="µs",
        scale=MICROSECONDS,
    ),
    Figure(
        name="typing_presence",
        title="typing: the same, presence",
        unit="µs",
        scale=MICROSECONDS,
    ),
    Figure(
        name="typing_lists",
        title="typing: lists told, of a channel's ten, for each word",
        at_most=0.5,  # Were each word passed on, ten would be told of it.
    ),
)
AUTHORISING = (
    Figure(
        name="auth_rate",
        title="auth: decisions, HS256 and a membership at hand",
        unit="a second",
        at_least=3000.0,
    ),
    Figure(
        name="auth_cpu",
        title="auth: the same, CPU a decision",
        unit="µs",
        scale=MICROSECONDS,
    ),
    Figure(
        name="auth_storm_cold_p99",
        title="auth: the storm in one request each, nothing remembered, p99",
        unit="ms",
        scale=MILLISECONDS,
    ),
    Figure(
        name="auth_storm_p99",
        title="auth: 2,000 clients, 5 channels, a request each, p99",
        unit="ms",
        scale=MILLISECONDS,
    ),
    Figure(
        name="auth_storm_batched_p99",
        title="auth: 2,000 clients, 5 channels in one request, p99",
        unit="ms",
        scale=MILLISECONDS,
    ),
    Figure(name="auth_storm_ratio", title="auth: one request / a request each", at_most=1.0),
)
WEBHOOKS = (
    Figure(
        name="webhook_rate",
        title="webhooks, one event a request",
        unit="requests/s",
    ),
    Figure(
        name="webhook_cpu",
        title="webhooks: presence, CPU a request",
        unit="ms",
        scale=MILLISECONDS,
    ),
    Figure(
        name="webhook_hanging_ratio",
        title="webhooks: beside a receiver that hangs / alone",
        at_most=1.1,
    ),
    Figure(name="webhook_hanging_cpu", title="webhooks: the same, CPU of presence"),
)

SIGHTINGS = (
    Figure(
        name="last_seen",
        title="last seen: users who go at once, stored",
        unit="thousand/s",
        scale=THOUSANDS,
        at_least=5.0,
    ),
)
MARKS = (
    Figure(
        name="marks_posted",
        title="marks: posted by back ends, a request each, stored",
        unit="a second",
        at_least=100.0,
    ),
    Figure(
        name="marks_posted_cpu",
        title="marks: the same, CPU of presence a mark",
        unit="µs",
        scale=MICROSECONDS,
    ),
    Figure(
        name="marks_said",
        title="marks: said by clients, from the streams, stored",
        unit="a second",
        at_least=500.0,
    ),
    Figure(
        name="marks_said_cpu",
        title="marks: the same, CPU of presence a mark",
        unit="µs",
        scale=MICROSECONDS,
    ),
)
SCALE = tuple(
    Figure(
        name=f"scale_{run}_{part.lower()}",
        title=f"scale: {words}: CPU of {part}, model / real",
        at_least=0.5,
        at_most=2.0,
    )
    for run, words in (("events", "three gateways"), ("joins", "joins, two gateways"))
    for part in ("Redis", "gateway")
)
JOURNEY = (Figure(name="journey", title="Kafka to socket, one subscriber", unit="events/s"),)


def complaints(figures: Sequence[Figure], samples: Sequence[Sample]) -> Iterator[str]:
    """Name what is beyond its bound, a sentence each."""
    for figure in figures:
        if (complaint := figure.complaint(samples)) is not None:
            yield complaint
