"""What a dispatcher counts: plain numbers, read by whoever exports them."""

from collections import Counter
from dataclasses import dataclass, field

from libs.common.telemetry.metrics.histogram import NUMBERS, Histogram


@dataclass(slots=True)
class DispatcherCounters:
    """
    Counts since the start.

    Attributes:
        records: What became of records, by topic and result: ``routed``; ``unrouted``, as no route
            applied; ``empty``, as there was nothing to tell; ``dead``; ``dropped``, as it is a dead
            letter already.
        dead: Records put aside, by why.
        skipped: Routes that did not apply although they were meant to, by why.
        posted: What back ends posted and was taken, by kind.
        broadcasts: Publications of records that the bus took.
        fanout: How many publications each record became, of those to which a route applied.
        batches: How many records were worked on at once.
        batch_seconds: How long the work on a batch took, waits for backends included.
        publish_seconds: How long a publish took, of a batch or of a request.
        age: Seconds from the timestamp of a batch's oldest record until the batch was committed.
        commits_failed: Commits that found the log away, and were tried again.
        senders_untold: Users who have sent something, each in each channel, of whom typists could
            not be told.
    """

    records: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    posted: Counter[str] = field(
        default_factory=lambda: Counter(events=0, cloudevents=0, terminations=0)
    )
    broadcasts: int = 0
    fanout: Histogram = field(default_factory=lambda: Histogram(NUMBERS))
    batches: Histogram = field(default_factory=lambda: Histogram(NUMBERS))
    batch_seconds: Histogram = field(default_factory=Histogram)
    publish_seconds: Histogram = field(default_factory=Histogram)
    age: Histogram = field(default_factory=Histogram)
    commits_failed: int = 0
    senders_untold: int = 0
