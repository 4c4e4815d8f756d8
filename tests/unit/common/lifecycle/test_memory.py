"""The streams of a single process."""

from libs.common.lifecycle.facts import Fact, Recorded
from libs.common.lifecycle.memory import MemoryLifecycle

FACT = Fact(kind="cache_miss", app="1", channel="cache-a")


async def recorded() -> Recorded:
    """Record a fact in a process of its own."""
    lifecycle = MemoryLifecycle()
    await lifecycle.record([FACT])
    (stream,) = await lifecycle.heads([0])
    (record,) = (await lifecycle.read(stream, "topic", limit=1)).records
    return record


class TestRestarted:
    """What was there is gone with the process."""

    async def test_ids(self) -> None:
        """Facts of the next process have other ids: whoever was told both takes them for two."""
        assert (await recorded()).id != (await recorded()).id
