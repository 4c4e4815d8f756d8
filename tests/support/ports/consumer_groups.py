"""What a consumer group of Kafka is at, asked from outside."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient

from tests.support.deadline import DEADLINE
from tests.support.servers.process import eventually


async def wait_until_committed(url: str, group: str, count: int) -> None:
    """Wait until a group has committed so many records, of all its partitions together."""
    async with _admin(url) as admin:

        async def has_committed() -> bool:
            offsets = await admin.list_consumer_group_offsets(group)
            return bool(count == sum(each.offset for each in offsets.values()))

        await eventually(has_committed, timeout=DEADLINE)


async def wait_for_members(url: str, group: str, count: int) -> None:
    """Wait until a group has so many members, and all know what they read."""
    async with _admin(url) as admin:

        async def is_complete() -> bool:
            (answer,) = await admin.describe_consumer_groups([group])
            ((_, _, state, _, _, members, *_),) = answer.groups
            return state == "Stable" and len(members) == count

        await eventually(is_complete, timeout=DEADLINE)


@asynccontextmanager
async def _admin(url: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=url.removeprefix("kafka://"))
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
