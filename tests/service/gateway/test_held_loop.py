"""A gateway whose event loop is held: its lease outlives that, for a while."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession
from structlog.testing import capture_logs

from libs.common.channels import Channel
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.fleet import APP, Fleet
from tests.support.fakes.logs import events
from tests.support.services.gateway import APP as OTHER_APP
from tests.support.services.gateway import place
from tests.support.services.held import HeldProcess, held_process

ROOM = "presence-room"
TTL = 1.5  # Seconds for which a lease holds here.
GRACE = 0.5
QUICK = {
    "FANFARE_GATEWAY_LEASE_TTL": str(TTL),
    "FANFARE_GATEWAY_LEASE_RENEW": "0.3",
    "FANFARE_PRESENCE_LEASE_GRACE": str(GRACE),
    "FANFARE_PRESENCE_SWEEP_INTERVAL": "0.05",
}
HOLD = 2 * (TTL + GRACE)  # Seconds after which everybody would be gone.


@dataclass(frozen=True, slots=True)
class Scene:
    """
    A gateway beside another one, each with a member of the same room.

    Attributes:
        gateway: The one whose loop is held.
        ann: On the other one.
        bob: On this one.
    """

    gateway: HeldProcess
    ann: Visitor
    bob: Visitor

    async def is_live(self, within: float = 0.2) -> bool:
        """Ask the gateway whether it lives, as a probe with this time-out does."""
        url = f"{self.gateway.internal}/health/live"
        try:
            async with asyncio.timeout(within), ClientSession() as http, http.get(url) as answer:
                return answer.status == 200
        except TimeoutError:
            return False


@asynccontextmanager
async def scene(directory: Path, redis: str, **environ: str) -> AsyncIterator[Scene]:
    """Set it up on a Redis."""
    fleet = Fleet(directory, redis=redis)
    file, shared = fleet.write_settings(), fleet.environ | QUICK
    async with AsyncExitStack() as stack:
        visitor = await stack.enter_async_context(visitors(APP))
        other = held_process(file, shared, "gateway", "presence")
        one = await stack.enter_async_context(held_process(file, shared | environ, "gateway"))
        two = await stack.enter_async_context(other)
        ann, bob = visitor(), visitor()
        for guest, gateway, name in ((ann, two, "ann"), (bob, one, "bob")):
            await guest.connect(gateway.url)
            await guest.join(ROOM, user=name)
        await ann.until_members(ROOM, "ann", "bob")
        yield Scene(one, ann, bob)


class TestHeld:
    """The loop is held for longer than lease and grace, and within `gateway.loop_timeout`."""

    async def test_members_stay(self, tmp_path: Path, redis_url: str) -> None:
        """Nobody is shown as gone, nobody is sent away, and no name is lost."""
        timers = {
            "FANFARE_GATEWAY_ACTIVITY_TIMEOUT": "1",
            "FANFARE_GATEWAY_PONG_TIMEOUT": "1.5",
        }
        with capture_logs() as logs:
            async with scene(tmp_path, redis_url, **timers) as here:
                here.gateway.hold_for(HOLD)
                before = time.monotonic()
                await here.bob.say(b'{"event":"pusher:ping","data":{}}')
                await here.bob.until(lambda: here.bob.frames[-1]["event"] == "pusher:pong")
                held = time.monotonic() - before

                await here.bob.leave()
                await here.ann.until_members(ROOM, "ann")

                assert held > HOLD / 2
                assert here.ann.changes(ROOM) == ["+bob", "-bob"]
        assert not events(logs, "lease.lost")

    async def test_never_turns(self, tmp_path: Path, redis_url: str) -> None:
        """After the timeout its members leave, once; it says why, and is back once it turns."""
        with capture_logs() as logs:
            timeout = {"FANFARE_GATEWAY_LOOP_TIMEOUT": "1"}
            async with scene(tmp_path, redis_url, **timeout) as here:
                here.gateway.hold()
                await here.ann.until_members(ROOM, "ann")
                assert not await here.is_live()
                here.gateway.release()
                await here.ann.until_members(ROOM, "ann", "bob")

                assert here.ann.changes(ROOM) == ["+bob", "-bob", "+bob"]
                assert here.bob.is_open
                assert await here.is_live(within=DEADLINE)
        (stuck,) = events(logs, "loop.stuck")
        assert stuck["seconds"] >= 1
        assert "wait" in stuck["at"]
        assert len(events(logs, "lease.lost")) == 1


async def test_in_one_process() -> None:
    """Where presence runs on the same loop, its sweep finds no lease lapsed after a hold."""
    ttl = 1.0
    with capture_logs() as logs:
        async with place(lease_ttl=ttl, lease_renew=0.1, lease_grace=0.15) as here:
            client = await here.join(ROOM, user="ann")
            joins = here.roster.joins
            name = here.gateway.state().name

            time.sleep(2 * ttl)  # noqa: ASYNC251 - the loop is held.

            for _ in range(20):
                await asyncio.sleep(0.02)
            assert here.roster.users(Channel(OTHER_APP.id, ROOM)) == {"ann"}
            assert here.gateway.state().name == name
            assert here.roster.joins == joins
            await client.close()
    assert not events(logs, "lease.lost")
