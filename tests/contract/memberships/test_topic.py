"""A topic that tells of memberships, on memory and on a compacted topic of Kafka."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
from structlog.testing import capture_logs

from libs.common.config.address import Url
from libs.common.eventlog.kafka.log import KafkaEventLog
from libs.common.eventlog.memory import MemoryEventLog
from libs.common.eventlog.port import EventLog
from libs.common.eventlog.records import NewRecord
from libs.common.memberships.membership import Membership
from libs.common.memberships.memory import MemoryMemberships
from libs.common.memberships.port import Memberships
from libs.common.web.health import OK, state_of
from services.auth.memberships.topic import MembershipTopic
from tests.support.deadline import DEADLINE
from tests.support.ports.eventlogs import PATIENT, appended, create
from tests.support.ports.memberships import Breaking
from tests.support.servers.process import eventually

ANN = Membership("1", "7", "campaign:5")
BEN = Membership("1", "8", "campaign:5")


@pytest.fixture(params=["memory", "kafka"])
def url(request: pytest.FixtureRequest) -> str:
    """Name the backend."""
    return "" if request.param == "memory" else str(request.getfixturevalue("kafka_url"))


@pytest.fixture
async def log(url: str, prefix: str) -> AsyncIterator[EventLog]:
    """Yield an event log with a topic of the test's own."""
    async with AsyncExitStack() as stack:
        if not url:
            yield MemoryEventLog()
            return
        await create(url, prefix, configs={"cleanup.policy": "compact"})
        yield await stack.enter_async_context(KafkaEventLog(Url(url), PATIENT))


@asynccontextmanager
async def reading(
    log: EventLog, topic: str, memberships: Memberships
) -> AsyncIterator[MembershipTopic]:
    """Read the topic while the context is open."""
    reader = MembershipTopic(topic, group=topic, events=log, memberships=memberships)
    running = asyncio.create_task(reader.run())
    try:
        yield reader
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def belongs(memberships: Memberships, *there: Membership) -> None:
    """Wait until these memberships are there, and no other."""

    async def is_so() -> bool:
        return [await memberships.has(each) for each in (ANN, BEN)] == [
            each in there for each in (ANN, BEN)
        ]

    await eventually(is_so, timeout=DEADLINE)


def record(topic: str, key: str, value: bytes | None = b"{}") -> NewRecord:
    return NewRecord(topic, value, key.encode())


class TestTopic:
    """Records come at least once, in the order of their key."""

    async def test_begin_and_end(self, log: EventLog, prefix: str) -> None:
        memberships = MemoryMemberships()
        async with reading(log, prefix, memberships):
            await appended(
                log, [record(prefix, "1/7/campaign:5"), record(prefix, "1/8/campaign:5")]
            )
            await belongs(memberships, ANN, BEN)

            await appended(log, [record(prefix, "1/7/campaign:5", None)])
            await belongs(memberships, BEN)

    async def test_malformed(self, log: EventLog, prefix: str) -> None:
        """What names no membership is counted, said once for each reason, and passed over."""
        memberships = MemoryMemberships()
        nonsense = [
            record(prefix, "nonsense"),
            record(prefix, "more"),
            NewRecord(prefix, b"{}", b"{"),
        ]
        with capture_logs() as logs:
            async with reading(log, prefix, memberships) as reader:
                await appended(log, [*nonsense, record(prefix, "1/7/campaign:5")])
                await belongs(memberships, ANN)

        assert reader.counts == {"records.malformed": 3, "records.read": 1}
        assert len([line for line in logs if line["event"] == "membership.skipped"]) == 2
        assert "nonsense" not in str(logs)

    async def test_goes_on(self, log: EventLog, prefix: str) -> None:
        """What was done with is not read again by the next of the group."""
        memberships = MemoryMemberships()
        await appended(log, [record(prefix, "1/7/campaign:5")])
        async with reading(log, prefix, memberships):
            await belongs(memberships, ANN)
            await appended(log, [record(prefix, "1/8/campaign:5")])
            await belongs(memberships, ANN, BEN)
        await memberships.remove([ANN])

        async with reading(log, prefix, memberships):
            await appended(log, [record(prefix, "1/8/campaign:5", None)])
            await belongs(memberships)

    async def test_memberships_away(self, log: EventLog, prefix: str) -> None:
        """While the memberships are away records wait, and none is lost."""
        memberships = MemoryMemberships()
        flaky = Breaking(memberships)
        flaky.is_away = True
        async with reading(log, prefix, flaky) as reader:
            await appended(log, [record(prefix, "1/7/campaign:5")])
            while await state_of(reader.check) == OK:
                await asyncio.sleep(0)

            flaky.is_away = False

            await belongs(memberships, ANN)
            while await state_of(reader.check) != OK:
                await asyncio.sleep(0)
