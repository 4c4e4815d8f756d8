"""What a gateway counts: plain numbers, read by whoever exports them."""

from dataclasses import dataclass, field

from libs.common.telemetry.metrics.histogram import NUMBERS, SECONDS, Histogram

# Seconds that an event took: Kafka may have kept it for long.
MINUTES = (*SECONDS, 60.0, 120.0, 300.0, 900.0, 3600.0)


@dataclass(slots=True)
class Counters:
    """
    Counts since the start.

    Attributes:
        opened: Connections greeted.
        refused: Connections closed before they were greeted, by code.
        closed: Connections ended, by the code of the Close frame that we sent, first or in answer;
            0 where the connection broke off.
        slow: Connections ended because their clients read too slowly.
        subscribes_refused: Subscribes refused, by the status that the client was told.
        received: Frames that clients sent, by kind.
        received_bytes: Bytes of their payloads.
        paused: Times that reading from a client was paused, by reason: for its frames, counted anew
            once it has caught up; for its answers, counted anew each second.
        answers: Frames written to one client alone.
        broadcasts: Frames fanned out, each counted once.
        deliveries: Frames written, counted for each subscriber.
        sent_bytes: Bytes of both, with their WebSocket headers where they were fanned out.
        latency: Seconds from each broadcast's publish until it was written to all its subscribers.
        delivery: Seconds from when each event of the log happened until the same.
        recipients: To how many subscribers each broadcast was written.
        interruptions: Times that the bus was not heard for a while, or faster than was taken.
        gaps: Times that entries of a channel were missing.
        mismatches: Times that a channel was found behind the bus by comparing positions.
        member_gaps: Times that a change of a channel's members was missing, which are read again.
        gaps_unrepaired: Times that missing entries could not be read from the bus any more.
        whispers_dropped: Client events that found the bus away or the queue full.
        typing_dropped: Words about who types that were not noticed, because too many do.
        marks_dropped: Words of how far users have read that found too many waiting.
        facts_dropped: Facts about client events and empty caches that found the backend away or the
            queue full.
    """

    opened: int = 0
    refused: dict[int, int] = field(default_factory=dict)
    closed: dict[int, int] = field(default_factory=dict)
    slow: int = 0
    subscribes_refused: dict[int, int] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)
    received_bytes: int = 0
    paused: dict[str, int] = field(default_factory=dict)
    answers: int = 0
    broadcasts: int = 0
    deliveries: int = 0
    sent_bytes: int = 0
    latency: Histogram = field(default_factory=Histogram)
    delivery: Histogram = field(default_factory=lambda: Histogram(MINUTES))
    recipients: Histogram = field(default_factory=lambda: Histogram(NUMBERS))
    interruptions: int = 0
    gaps: int = 0
    mismatches: int = 0
    member_gaps: int = 0
    gaps_unrepaired: int = 0
    whispers_dropped: int = 0
    typing_dropped: int = 0
    marks_dropped: int = 0
    facts_dropped: int = 0
