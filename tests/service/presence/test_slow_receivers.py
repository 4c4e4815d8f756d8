"""A receiver that was away while more became so than is kept ends with what is so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from libs.common.channels import Channel, online_channel
from libs.common.lifecycle.facts import Kind, Stream
from libs.common.lifecycle.port import BOUNDS, Bounds, Lifecycle
from libs.common.roster.port import Seat
from libs.common.tally.port import Count, Subject
from services.presence.lifecycle.consumer import FactConsumer
from services.presence.settings import PresenceSettings
from tests.support.deadline import DEADLINE
from tests.support.fakes.webhook_receiver import Receiver, receiver
from tests.support.ports.rosters import LONG, MEMORY, Deployment, deployment, request, seated
from tests.support.services.gateway import until
from tests.support.services.webhooks import app_with, hook, site

SETTINGS = PresenceSettings(share_ttl=30.0, poll_interval=0.01)
GATEWAY = "g1"
EVENTS: tuple[Kind, ...] = (
    "channel_occupied",
    "channel_vacated",
    "member_added",
    "member_removed",
    "user_online",
    "user_offline",
)
PRESENT = {"channel_occupied", "member_added", "user_online"}

Place = tuple[str, str]  # A channel, a member of it, or a user.


class Town:
    """
    Channels, members and users that come and go.

    Attributes:
        there: Those that are there now.
    """

    def __init__(self, deployment: Deployment, size: int) -> None:
        self._deployment = deployment
        self._places = [place for name in range(size) for place in _places(str(name))]
        self._steps = 0
        self.there: set[Place] = set()

    async def live(self, changes: int) -> None:
        """Let so many of them come or go."""
        for _ in range(changes):
            self._steps += 1
            place = self._places[self._steps * (self._steps + 7) // 2 % len(self._places)]
            await self._turn(place)
            self.there ^= {place}

    async def _turn(self, place: Place) -> None:
        channel, user = place
        if not user:
            count = Count(Subject("channel", "1", channel), int(place not in self.there))
            await self._deployment.tally.report(GATEWAY, [count])
            return
        seat = Seat(Channel("1", channel) if channel else online_channel("1", user), "1.1", GATEWAY)
        if place in self.there:
            await self._deployment.roster.leave([seat], grace=0.0)
        else:
            asked = request(seat.channel, user, socket_id="1.1", gateway=GATEWAY)
            await seated(self._deployment.roster, asked)


def _places(name: str) -> list[Place]:
    return [(f"presence-{name}", ""), (f"presence-{name}", "ann"), ("", name)]


def told_of(one: Receiver) -> set[Place]:
    """Tell who is there as far as a receiver knows."""
    there: dict[Place, bool] = {}
    for event in one.events:
        place = event.get("channel", ""), event.get("user_id", "")
        there[place] = event["name"] in PRESENT
    return {place for place, is_there in there.items() if is_there}


async def is_done(lifecycle: Lifecycle) -> None:
    """Wait until a webhook has had all."""
    async with asyncio.timeout(DEADLINE):
        while (await lifecycle.read(Stream("1", 0), "webhook:1:a", limit=1)).records:
            await asyncio.sleep(0.01)


@pytest.fixture
async def here() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        yield one


@asynccontextmanager
async def consuming(lifecycle: Lifecycle, here: Receiver) -> AsyncIterator[FactConsumer]:
    """Consume while the context is open."""
    hooked = hook(here, events=EVENTS, batching=True)
    async with (
        site(
            app_with(hooked), webhook_batch=100, webhook_batch_delay=0.0, vacated_delay=0.5
        ) as held,
        asyncio.TaskGroup() as tasks,
    ):
        consumer = FactConsumer(lifecycle, held.webhooks, SETTINGS)
        task = tasks.create_task(consumer.run())
        yield consumer
        task.cancel()


async def passes(url: str, prefix: str, here: Receiver, *, bounds: Bounds, size: int) -> None:
    """Let a receiver hang for some time; its presence process dies meanwhile, and another goes on."""
    async with deployment(url, prefix, partitions=1, bounds=bounds) as deployed:
        await deployed.leases.renew(GATEWAY, ttl=LONG)
        town = Town(deployed, size)
        async with consuming(deployed.lifecycle, here):
            await town.live(size)
            await is_done(deployed.lifecycle)
            assert told_of(here) == town.there
            here.hang()
            begun = here.begun
            await town.live(3 * size)
            await here.until(lambda one: one.begun > begun)
        async with consuming(deployed.other_lifecycle, here) as consumer:
            await town.live(3 * size)
            here.go_on()
            await is_done(deployed.lifecycle)
            await until(lambda: consumer.counts["lost"] > 0)

    assert told_of(here) == town.there


@pytest.fixture(params=[MEMORY, "redis_url"], ids=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    return MEMORY if request.param == MEMORY else str(request.getfixturevalue(request.param))


async def test_returns(url: str, prefix: str, here: Receiver) -> None:
    """Each channel, member and user is told as it is, on any backend."""
    await passes(url, prefix, here, bounds=Bounds(facts=20, subjects=1_000), size=50)


async def test_real_bounds(redis_url: str, prefix: str, here: Receiver) -> None:
    """So it is with as many as are kept in earnest."""
    await passes(redis_url, prefix, here, bounds=BOUNDS, size=1_000)
