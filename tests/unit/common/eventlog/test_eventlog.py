"""What the memory event log does beyond its contract: it forgets, and shares topics out."""

import pytest

from libs.common.eventlog.memory import MemoryEventLog
from libs.common.eventlog.records import NewRecord, Partition, RecordTooLarge, size_of


def numbered(topic: str, numbers: range) -> list[NewRecord]:
    return [NewRecord(topic, b"%d" % number) for number in numbers]


class TestSize:
    """A record's size is that of key, value and headers."""

    def test_all_parts_count(self) -> None:
        assert size_of(NewRecord("topic", b"12345", b"123", (("ab", b"c"), ("d", b"")))) == 12

    def test_missing_parts_are_empty(self) -> None:
        assert size_of(NewRecord("topic", None)) == 0


class TestMemoryEventLog:
    """The reference implementation."""

    async def test_oldest_records_are_forgotten(self) -> None:
        """When a topic is full, its oldest tenth goes; offsets stay what they were."""
        log = MemoryEventLog(retained=20)

        await log.append(numbered("topic", range(21)))
        async with log.consume(["topic"], group="group") as consumer:
            records = await consumer.fetch(0)

        assert [record.offset for record in records] == list(range(2, 21))
        assert records[0].value == b"2"

    async def test_limit_of_a_record(self) -> None:
        """The limit can be set, and is itself allowed."""
        log = MemoryEventLog(max_record=10)

        await log.append([NewRecord("topic", b"x" * 10)])
        with pytest.raises(RecordTooLarge):
            await log.append([NewRecord("topic", b"x" * 11)])

    async def test_no_topic_starves(self) -> None:
        """A topic that fills every batch leaves room for the others in the next."""
        log = MemoryEventLog(batch=5)
        await log.append([*numbered("busy", range(100)), NewRecord("quiet", b"heard")])

        async with log.consume(["busy", "quiet"], group="group") as consumer:
            batches = [await consumer.fetch(0) for _ in range(2)]

        assert [len(batch) for batch in batches] == [5, 5]
        assert any(record.value == b"heard" for record in batches[1])

    async def test_a_topic_has_one_reader_of_a_group(self) -> None:
        """The second member of a group waits; one of another group does not."""
        log = MemoryEventLog()
        await log.append(numbered("topic", range(3)))

        async with (
            log.consume(["topic"], group="group") as first,
            log.consume(["topic", "other"], group="group") as second,
            log.consume(["topic"], group="another") as stranger,
        ):
            await log.append([NewRecord("other", b"for the second")])
            batches = [await member.fetch(0) for member in (second, first, stranger)]

        assert [record.value for record in batches[0]] == [b"for the second"]
        assert [len(batch) for batch in batches[1:]] == [3, 3]

    async def test_commit_of_a_former_member(self) -> None:
        """Who has left the group changes nothing any more."""
        log = MemoryEventLog()
        await log.append(numbered("topic", range(3)))
        async with log.consume(["topic"], group="group") as former:
            await former.fetch(0)

        await former.commit({Partition("topic", 0): 3})
        async with log.consume(["topic"], group="group") as present:
            records = await present.fetch(0)

        assert len(records) == 3
