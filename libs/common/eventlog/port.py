"""
The event log: domain events in topics, durable and read at least once.

`memory.py` is the reference implementation, for a single process; `kafka` is the other.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from libs.common.eventlog.records import NewRecord, Partition, Record


class Consumer(Protocol):
    """
    A member of a consumer group.

    A partition belongs to one member of the group at a time, and its records come in order of
    offset.  What was fetched and not committed comes again to whoever gets the partition next:
    after a restart, or when members come and go.
    """

    async def fetch(self, timeout: float) -> list[Record]:
        """
        Wait up to ``timeout`` seconds for records, and take a bounded batch.

        An empty list may come before the time is over: partitions are about to go to another
        member, and what was done with and is not committed should be committed now.

        Raises:
            Unavailable: The log is away, and was so for the whole timeout; call again.
        """

    async def check(self) -> None:
        """
        See whether all topics are there, as far as is known; nobody is asked.

        Raises:
            Unavailable: Some are not; the cause names them.
        """

    def shares(self) -> Mapping[Partition, int]:
        """
        Tell which partitions are read here now, and how far behind each is; nobody is asked.

        Returns:
            How many records lie between what was read last and the end, as far as is known.
        """

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """
        Note that all records before these offsets are done with.

        Partitions that the group has given to another member in the meantime are left alone.

        Raises:
            Unavailable: The log is away.
        """


class Browser(Protocol):
    """
    Reads a topic from its beginning to where it ended when that began.

    It is in no group: nothing is committed, and no consumer has less.

    Attributes:
        total: How many records there are, about: the log may have left some out.
    """

    total: int

    async def next(self) -> list[Record]:
        """
        Read the next records, in order within each partition; none: that was the last.

        Raises:
            Unavailable: The log is away, or has a record that cannot be read.
        """


class EventLog(Protocol):
    """
    Domain events in topics.

    What `append` has accepted survives this process and is read at least once by each consumer
    group, in order within a partition; records with the same key share a partition.
    """

    async def check(self, topics: Collection[str] = ()) -> None:
        """
        Ask the backend whether it can be used now; an operator's question, which costs a little.

        Args:
            topics: Those to which this process will append.

        Raises:
            Unavailable: It is away, refuses what this process asks of it, or has not all of the
                topics; the cause says why.
        """

    async def append(self, records: Sequence[NewRecord]) -> None:
        """
        Append records; returns when all are stored.

        Raises:
            Unavailable: The log is away or refused; some may have been stored.
            RecordTooLarge: One is.  None was stored, unless it is but its topic that takes no more.
        """

    def browse(self, topic: str) -> AbstractAsyncContextManager[Browser]:
        """
        Look through a topic; one that does not exist is empty.

        Raises:
            Unavailable: The log is away, or refuses.
        """

    def consume(
        self, topics: Collection[str], *, group: str
    ) -> AbstractAsyncContextManager[Consumer]:
        """
        Join a consumer group; leaving the context leaves it.

        A group that is new to a topic reads it from its beginning; a topic that does not exist yet
        is read when it does.
        """
