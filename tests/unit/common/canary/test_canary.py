"""The canary of a process, on a bus that brings what is published, or does not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from libs.common.bus.memory import MemoryBus
from libs.common.bus.messages import Broadcast
from libs.common.canary.canary import LOST, SECONDS, Canary
from libs.common.canary.flight import Flight
from libs.common.channels import BadChannelName, Channel, check_channel
from libs.common.errors import Unavailable
from libs.common.telemetry.metrics.histogram import Histogram
from tests.support.deadline import DEADLINE


class Air(MemoryBus):
    """
    A bus of which a test decides what becomes of whispers.

    Attributes:
        is_deaf: Whether they are taken and brought to nobody.
        reason: Why it takes none; empty: it does.
        whispered: Where they went.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_deaf = False
        self.reason = ""
        self.whispered: list[Channel] = []

    async def whisper(self, channel: Channel, broadcast: Broadcast) -> None:
        """See `Bus.whisper`."""
        self.whispered.append(channel)
        if self.reason:
            raise Unavailable("bus") from OSError(self.reason)
        if not self.is_deaf:
            await super().whisper(channel, broadcast)


@asynccontextmanager
async def flying(bus: Air, *, deadline: float = DEADLINE) -> AsyncIterator[Canary]:
    """Send one canary after the other."""
    canary = Canary(bus, interval=0.0, deadline=deadline)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(canary.run())
        yield canary
        task.cancel()


async def until(canary: Canary, holds: Callable[[Flight], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(DEADLINE):
        while not holds(canary.flight):
            await asyncio.sleep(0)


async def test_heard() -> None:
    """
    What comes is measured, on a channel that clients cannot name, and it leaves nothing on the bus.
    """
    bus = Air()
    async with flying(bus) as canary:
        await until(canary, lambda flight: flight.heard_at is not None)
        seconds = next(one for one in canary.metrics() if one.family is SECONDS).values[()]

    assert isinstance(seconds, Histogram)
    assert seconds.count >= 1
    assert canary.flight.lost == 0
    (channel,) = set(bus.whispered)
    assert bus.published == {"appended": 0, "repeated": 0}
    with pytest.raises(BadChannelName):
        check_channel(channel.name)


async def test_not_heard() -> None:
    """
    What is published and not heard is lost, said once, and said to be over when one comes again.
    """
    bus = Air()
    bus.is_deaf = True
    with capture_logs() as logs:
        async with flying(bus, deadline=0.01) as canary:
            await until(canary, lambda flight: flight.lost > 1)
            bus.is_deaf = False
            await until(canary, lambda flight: flight.reason is None)
            lost = next(one for one in canary.metrics() if one.family is LOST).values[()]

    assert lost == canary.flight.lost
    events = [line["event"] for line in logs]
    assert events[:2] == ["canary.lost", "canary.returned"]
    assert logs[0]["reason"] == "not heard within 0.01 s"


async def test_refused() -> None:
    """
    One that cannot be published is lost, with the reason of the backend.
    """
    bus = Air()
    bus.reason = "OOM command not allowed"
    async with flying(bus) as canary:
        await until(canary, lambda flight: flight.lost > 0)

    assert canary.flight.reason == "OOM command not allowed"


async def test_apart() -> None:
    """
    Two processes do not hear each other.
    """
    bus = Air()
    async with flying(bus) as one, flying(bus) as other:
        await until(one, lambda flight: flight.heard_at is not None)
        await until(other, lambda flight: flight.heard_at is not None)

    assert len(set(bus.whispered)) == 2
