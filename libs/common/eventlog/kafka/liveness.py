"""
Whether a consumer of the log is well.

Pure.  aiokafka retries silently, and there are cases in which it never comes back (issues 1154,
1037, 773); nothing public tells.  This judges by what can be seen: whether brokers answer, whether
partitions are assigned, and whether there is progress where there is something to read.  All
instants are monotonic seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Partition = tuple[str, int]  # Topic and number.


@dataclass(frozen=True, slots=True)
class ConsumerReading:
    """
    What can be seen of a consumer at one instant.

    Attributes:
        polls: For each assigned partition a mark that changes with each answer of a broker; None
            while the group assigns them anew.
        positions: The offset of the next record to read.
        ends: The offset after the last record that may be read.
        held_up: The worker has not come for the last batch, so nothing is read; after a while the
            group gives the partitions to others until he comes.
    """

    polls: Mapping[Partition, int | None] | None
    positions: Mapping[Partition, int] = field(default_factory=dict)
    ends: Mapping[Partition, int] = field(default_factory=dict)
    held_up: bool = False

    @property
    def has_backlog(self) -> bool:
        """Whether there is something to read."""
        return any(self.positions.get(partition, end) < end for partition, end in self.ends.items())


class Liveness:
    """
    A consumer's signs of life.

    While Kafka is away, patience is better than a new client: the old one keeps its place in the
    group, and goes on where it was when Kafka is back.  The other clocks begin to run then.

    Args:
        now: The instant of its birth.
        silence_timeout: Seconds without any answer after which it counts as silent.
        stall_timeout: Seconds without an answer to a fetch, or without progress, after which it is
            given up.
        join_timeout: Seconds that it may be without an assignment.
        away_timeout: Seconds without any answer after which it is given up: where it looks there
            may be nobody any more.

    Attributes:
        progressed_at: When it last went on, or had nothing to read.
    """

    def __init__(
        self,
        now: float,
        *,
        silence_timeout: float,
        stall_timeout: float,
        join_timeout: float,
        away_timeout: float,
    ) -> None:
        self._silence_timeout = silence_timeout
        self._stall_timeout = stall_timeout
        self._join_timeout = join_timeout
        self._away_timeout = away_timeout
        self._last = ConsumerReading(None)
        self._is_away = False
        self._heard_at = self._assigned_at = self._polled_at = self._moved_at = now
        self.progressed_at = now

    def observe(self, reading: ConsumerReading, now: float) -> None:
        """Take a reading."""
        last, self._last = self._last, reading
        answered = reading.polls is not None and reading.polls != last.polls
        if answered:
            self.heard(now)
        if self._is_away:
            self._assigned_at = self._polled_at = self._moved_at = now
            return
        if reading.polls is None:
            self._polled_at = self._moved_at = now
            self._assigned_at = now if reading.held_up else self._assigned_at
            return
        self._assigned_at = now
        if answered or reading.held_up or not reading.polls:
            self._polled_at = now
        if reading.positions != last.positions or not reading.has_backlog:
            self.progressed_at = self._moved_at = now
        if reading.held_up:
            self._moved_at = now

    def heard(self, now: float) -> None:
        """Note that Kafka answered."""
        self._heard_at = now
        self._is_away = False

    def unheard(self) -> None:
        """Note that Kafka did not answer when it was asked."""
        self._is_away = True

    @property
    def is_reading(self) -> bool:
        """Whether brokers answer what it asks of them; so it is if it has no partitions."""
        polls = self._last.polls
        return polls is not None and (not polls or any(polls.values()))

    def is_silent(self, now: float) -> bool:
        """Whether Kafka should be asked if it is there."""
        return now - self._heard_at >= self._silence_timeout

    def complaint(self, now: float) -> str | None:
        """Tell why the consumer must be given up; None if it need not."""
        if now - self._heard_at >= self._away_timeout:
            return "no answer"
        if now - self._assigned_at >= self._join_timeout:
            return "no assignment"
        if now - self._polled_at >= self._stall_timeout:
            return "no answer to a fetch"
        if now - self._moved_at >= self._stall_timeout:
            return "no progress"
        return None
