"""What a gateway counts: plain numbers, read by whoever exports them."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """
    Counts since the start.

    Attributes:
        opened: Connections greeted.
        refused: Connections closed before they were greeted, by code.
        closed: Connections ended, by the code of the Close frame that we sent, first or in answer;
            0 where the connection broke off.
        broadcasts: Frames fanned out, each counted once.
        deliveries: Frames written, counted for each subscriber.
        gaps: Times that entries of a channel were missing.
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
    broadcasts: int = 0
    deliveries: int = 0
    gaps: int = 0
    gaps_unrepaired: int = 0
    whispers_dropped: int = 0
    typing_dropped: int = 0
    marks_dropped: int = 0
    facts_dropped: int = 0
