"""Where a batch changes hands."""

import asyncio

from libs.common.eventlog.kafka.handover import Handover
from libs.common.eventlog.records import Partition, Record
from tests.support.deadline import DEADLINE

HERE, THERE = Partition("topic", 0), Partition("topic", 1)


def record(offset: int, partition: Partition = HERE) -> Record:
    return Record(partition.topic, partition.number, offset, 0.0, None, b"", ())


def offered(handover: Handover, *records: Record) -> list[Record]:
    handover.offer([*records], {Partition(r.topic, r.partition): r.offset + 1 for r in records})
    return [*records]


class TestHandover:
    """One batch waits, at most."""

    async def test_taking(self) -> None:
        """What was offered is taken once, and makes room."""
        handover = Handover()
        batch = offered(handover, record(1), record(2))

        states = [handover.is_vacant]
        assert await handover.take(0) == batch
        states.append(handover.is_vacant)
        assert await handover.take(0) == []

        assert states == [False, True]

    async def test_worker_waits_for_a_batch(self) -> None:
        """A worker that waits gets the batch when it is offered."""
        handover = Handover()
        taking = asyncio.create_task(handover.take(DEADLINE))
        await asyncio.sleep(0)

        batch = offered(handover, record(1))

        assert await taking == batch

    async def test_reader_waits_for_room(self) -> None:
        """A reader waits until its last batch was taken."""
        handover = Handover()
        offered(handover, record(1))
        waiting = asyncio.create_task(handover.vacancy())
        await asyncio.sleep(0)

        assert not waiting.done()
        await handover.take(0)
        await waiting

    async def test_worker_who_waits_makes_room(self) -> None:
        """After a batch was taken back, the next may be offered as soon as the worker asks for one."""
        handover = Handover()
        offered(handover, record(1))
        await handover.release(DEADLINE)
        taking = asyncio.create_task(handover.take(DEADLINE))

        await handover.vacancy()
        batch = offered(handover, record(2))

        assert await taking == batch

    async def test_cancelled_worker(self) -> None:
        """A worker that gives up takes nothing with it."""
        handover = Handover()
        taking = asyncio.create_task(handover.take(DEADLINE))
        await asyncio.sleep(0)
        taking.cancel()
        batch = offered(handover, record(1))
        await asyncio.wait([taking])

        assert await handover.take(0) == batch


class TestRelease:
    """A member of a group gives its partitions up."""

    async def test_with_nothing_in_work(self) -> None:
        """What nobody has taken is taken back, and nobody is waited for; there is room when somebody comes."""
        handover = Handover()
        offered(handover, record(1))

        await handover.release(DEADLINE)
        states = [handover.is_vacant]
        assert await handover.take(0) == []
        states.append(handover.is_vacant)

        assert states == [False, True]

    async def test_waits_for_the_work(self) -> None:
        """It lasts until all that was taken is settled, in whatever order."""
        handover = Handover()
        offered(handover, record(1), record(5, THERE))
        await handover.take(0)
        offered(handover, record(2))
        await handover.take(0)
        releasing = asyncio.create_task(handover.release(DEADLINE))
        await asyncio.sleep(0)

        handover.settle({HERE: 2, THERE: 6})
        await asyncio.sleep(0)
        assert not releasing.done()
        handover.settle({HERE: 3})
        await releasing

    async def test_tells_the_worker(self) -> None:
        """A worker that waits for records gets an empty batch at once, and just one."""
        handover = Handover()
        offered(handover, record(1))
        await handover.take(0)
        taking = asyncio.create_task(handover.take(DEADLINE))
        await asyncio.sleep(0)

        releasing = asyncio.create_task(handover.release(DEADLINE))

        assert await taking == []
        again = asyncio.create_task(handover.take(DEADLINE))
        await asyncio.sleep(0)
        assert not again.done()
        handover.settle({HERE: 2})
        await releasing
        batch = offered(handover, record(2))
        assert await again == batch

    async def test_deadline(self) -> None:
        """Work that lasts too long is waited for no more, and settling it later is harmless."""
        handover = Handover()
        offered(handover, record(1))
        await handover.take(0)

        await handover.release(0)
        handover.settle({HERE: 2})

        await handover.release(DEADLINE)

    async def test_reset(self) -> None:
        """To forget everything ends a release."""
        handover = Handover()
        offered(handover, record(1))
        await handover.take(0)
        releasing = asyncio.create_task(handover.release(DEADLINE))
        await asyncio.sleep(0)

        handover.reset()

        await releasing
