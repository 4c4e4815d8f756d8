"""What auth counts: plain numbers, read by whoever exports them."""

from collections import Counter
from dataclasses import dataclass, field

from libs.common.telemetry.metrics.histogram import Histogram


@dataclass(slots=True)
class AuthCounters:
    """
    Counts since the start.

    Attributes:
        requests: Requests of clients for channels and sign-ins, by the status of the answer.
        channels: Channels that were asked for, by what was decided: ``granted``, ``refused``, or
            ``unavailable``, as nobody could tell.
        seconds: How long the answers to requests took.
    """

    requests: Counter[int] = field(default_factory=Counter)
    channels: Counter[str] = field(
        default_factory=lambda: Counter(granted=0, refused=0, unavailable=0)
    )
    seconds: Histogram = field(default_factory=Histogram)
