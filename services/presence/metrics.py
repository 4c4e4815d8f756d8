"""What presence tells of itself in numbers: docs/metrics.md is made from these declarations."""

from collections.abc import Iterator, Mapping

from libs.common.telemetry.metrics.families import Metric, counter, gauge, histogram
from services.presence.lifecycle.consumer import FactConsumer
from services.presence.users.last_seen import LastSeen
from services.presence.webhooks.targets import Webhooks

FACTS = counter(
    "fanfare_facts_total",
    "What became of channels, members and users, by the kind of sink that was brought it: "
    "`webhook`, `topic`, `last_seen`. Each webhook is a sink of its own.",
    "sink",
)
FACTS_LOST = counter(
    "fanfare_facts_lost_total",
    "Facts that were dropped before such a sink had them, as too many waited: `facts.lost`.",
    "sink",
)
FACTS_LAG = gauge(
    "fanfare_facts_lag_seconds",
    "How old the oldest fact is that such a sink has not taken; 0: it has all. It goes by the "
    "clocks of two machines, and grows while a sink is away.",
    "sink",
)
PASSAGES = gauge(
    "fanfare_fact_passages",
    "Streams of facts that have something for a sink, each sink counted: what is under way, or "
    "waits for a sink that is slow.",
)
PARTITIONS = gauge(
    "fanfare_fact_partitions",
    "Partitions of the streams of facts that this process owns; all processes together should "
    "have `backends.partitions`.",
)
WEBHOOKS = counter(
    "fanfare_webhook_requests_total",
    "Requests to webhooks: `delivered`, `failed` (each try), `buried` (given up, and laid with "
    "the dead letters).",
    "result",
)
WEBHOOKS_WAITING = gauge(
    "fanfare_webhooks_away", "Webhooks of which the last request failed: they are tried again."
)
SWEEPS = counter(
    "fanfare_sweeps_total",
    "Searches for gateways whose lease has lapsed: `found` one that did not end in order, and gave "
    "it up, `nothing` of the kind, or `failed`, as the roster is away.",
    "result",
)
SEEN_STORED = counter(
    "fanfare_last_seen_stored_total", "Users whose last sighting was stored, each flush counted."
)
SEEN_SECONDS = histogram(
    "fanfare_last_seen_flush_seconds", "How long it took to store the sightings that had come."
)
SEEN_WAITING = gauge(
    "fanfare_last_seen_waiting", "Users whose last sighting waits in memory to be stored."
)
SEEN_DROPPED = counter(
    "fanfare_last_seen_dropped_total",
    "Users of whom a sighting was dropped, as too many waited: `sightings.dropped`.",
)


SINKS = ("webhook", "topic", "last_seen")


def read(
    consumer: FactConsumer,
    webhooks: Webhooks,
    last_seen: LastSeen | None,
    *,
    sweeps: Mapping[str, int],
    now: float,
) -> Iterator[Metric]:
    """
    Read all.

    Args:
        consumer: Brings facts to sinks.
        webhooks: Those of all apps.
        last_seen: Stores when users were last seen; None: nobody does.
        sweeps: Searches for dead gateways, by result.
        now: In UTC epoch seconds.
    """
    by_sink = consumer.by_sink.items()
    yield FACTS.by({sink: counts["facts"] for sink, counts in by_sink}, known=SINKS)
    yield FACTS_LOST.by({sink: counts["lost"] for sink, counts in by_sink}, known=SINKS)
    yield FACTS_LAG.by(consumer.lags(now))
    yield PASSAGES.of(consumer.passages)
    yield PARTITIONS.of(len(consumer.partitions))
    yield WEBHOOKS.by({"delivered": 0, "failed": 0, "buried": 0} | webhooks.counts)
    yield WEBHOOKS_WAITING.of(webhooks.away)
    yield SWEEPS.by(sweeps)
    yield from _of_last_seen(last_seen)


def _of_last_seen(one: LastSeen | None) -> Iterator[Metric]:
    yield SEEN_STORED.of(one.stored if one else None)
    yield SEEN_SECONDS.of(one.seconds if one else None)
    yield SEEN_WAITING.of(one.waiting if one else None)
    yield SEEN_DROPPED.of(one.dropped if one else None)
