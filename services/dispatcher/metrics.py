"""What a dispatcher tells of itself in numbers: docs/metrics.md is made from these declarations."""

from collections.abc import Collection, Iterator
from itertools import product
from typing import get_args

from libs.common.telemetry.metrics.families import Metric, counter, gauge, histogram
from services.dispatcher.counters import DispatcherCounters
from services.dispatcher.events.event import TooDeep, Undecodable
from services.dispatcher.routing.rules import Reason, Unroutable

RECORDS = counter(
    "fanfare_records_total",
    "Records of the log that were read, by what became of them: `routed`, `unrouted` (no route "
    "applied), `empty` (nothing to tell), `dead`, `dropped` (a dead letter "
    "already). Those of a batch that is read again count again.",
    "topic",
    "result",
)
DEAD = counter("fanfare_dead_letters_total", "Records that were put aside, by why.", "reason")
SKIPPED = counter(
    "fanfare_routes_skipped_total",
    "Times that a route applied to an event and sent nothing, by why.",
    "reason",
)
POSTED = counter(
    "fanfare_posted_total",
    "What back ends posted and was taken: `events` of the Pusher API, each channel counted, "
    "`cloudevents`, and `terminations` of users.",
    "kind",
)
ROUTED = counter("fanfare_routed_broadcasts_total", "Broadcasts that records became.")
FANOUT = histogram(
    "fanfare_record_broadcasts",
    "Broadcasts that a record became, of those to which a route applied: one for each channel.",
)
BATCH = histogram("fanfare_batch_records", "Records that were worked on at once.")
BATCH_SECONDS = histogram(
    "fanfare_batch_seconds",
    "From reading a batch until it was committed, waits for a backend that is away included: the "
    "processing time.",
)
PUBLISH_SECONDS = histogram(
    "fanfare_publish_seconds", "How long the bus took for a publish, of a batch or of a request."
)
AGE = histogram(
    "fanfare_record_age_seconds",
    "From the timestamp of a record, which its producer may have set, until its batch was "
    "committed; of the oldest one in each batch.",
)
COMMITS_FAILED = counter(
    "fanfare_commits_failed_total", "Commits that found the log away, and were tried again."
)
SENDERS_UNTOLD = counter(
    "fanfare_senders_untold_total",
    "Users whom a publish named, each in each channel, and whose typing it did not end: Redis was "
    "away, or too slow.",
)
WAITING = gauge(
    "fanfare_pipeline_waiting", "1 while records wait, as a backend is away; 0 while they flow."
)


RESULTS = ("routed", "unrouted", "empty", "dead", "dropped")
FLAWS = tuple(each.__name__ for each in (Undecodable, TooDeep, Unroutable))


def read(
    counters: DispatcherCounters, topics: Collection[str], *, is_waiting: bool
) -> Iterator[Metric]:
    """
    Read all.

    Args:
        counters: What is counted.
        topics: Those that are read.
        is_waiting: Whether the pipeline waits.
    """
    yield RECORDS.by(counters.records, known=product(topics, RESULTS))
    yield DEAD.by(counters.dead, known=FLAWS)
    yield SKIPPED.by(counters.skipped, known=get_args(Reason))
    yield POSTED.by(counters.posted)
    yield ROUTED.of(counters.broadcasts)
    yield FANOUT.of(counters.fanout)
    yield BATCH.of(counters.batches)
    yield BATCH_SECONDS.of(counters.batch_seconds)
    yield PUBLISH_SECONDS.of(counters.publish_seconds)
    yield AGE.of(counters.age)
    yield COMMITS_FAILED.of(counters.commits_failed)
    yield SENDERS_UNTOLD.of(counters.senders_untold)
    yield WAITING.of(int(is_waiting))
