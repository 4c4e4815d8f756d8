"""Users of gateways that crash: who watches them hears of it once, and nothing of those who come back."""

import secrets
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.clients.visitors import Visitor, visitors
from tests.support.deployments.fleet import APP, Fleet
from tests.support.deployments.program import Program

EVENTS = "pusher_internal:watchlist_events"


class Stage(NamedTuple):
    """A deployment with a gateway that goes on while others are broken."""

    fleet: Fleet
    gateway: Program


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> AsyncIterator[Stage]:
    directory: Path = tmp_path_factory.mktemp("online")
    fleet = Fleet(directory, redis=redis_url)
    async with fleet.running("presence"), fleet.running("gateway") as gateway:
        yield Stage(fleet, gateway)


@pytest.fixture
def users() -> tuple[str, ...]:
    """Return users whom no other test has: who watches, and who is watched."""
    return tuple(f"{name}-{secrets.token_hex(4)}" for name in ("ann", "bob", "cat"))


async def signed_in(visitor: Visitor, gateway: Program, user: str, *watchlist: str) -> None:
    """Connect a visitor, and sign it in."""
    await visitor.connect(gateway.url)
    await visitor.sign_in(user, watchlist=watchlist)


def told(visitor: Visitor) -> list[tuple[str, str]]:
    """Return what a visitor was told of users, in order, such as ``("online", "ann")``."""
    events = [
        event
        for frame in visitor.frames
        if frame["event"] == EVENTS
        for event in frame["data"]["events"]
    ]
    return [(event["name"], user) for event in events for user in event["user_ids"]]


async def test_killed(stage: Stage, users: tuple[str, ...]) -> None:
    """
    Who was at the killed gateway alone goes offline once, after lease and grace; who returns never left.
    """
    name, *others = users
    bob, cat = others
    async with visitors(APP) as visitor, stage.fleet.running("gateway") as doomed:
        ann, first, second = (visitor() for _ in range(3))
        await signed_in(ann, stage.gateway, name, *others)
        await ann.until(lambda: sorted(told(ann)) == [("offline", bob), ("offline", cat)])
        await signed_in(first, doomed, bob)
        await signed_in(second, doomed, cat)
        await ann.until(lambda: sorted(told(ann)[2:]) == [("online", bob), ("online", cat)])

        doomed.send(signal.SIGKILL)
        await first.until_closed()
        await signed_in(first, stage.gateway, bob)
        await ann.until(lambda: told(ann)[4:] == [("offline", cat)])
        await signed_in(second, stage.gateway, cat)
        await ann.until(lambda: told(ann)[5:] == [("online", cat)])


async def test_ended_in_order(stage: Stage, users: tuple[str, ...]) -> None:
    """
    Of who returns elsewhere when a gateway drains nobody hears anything.
    """
    name, bob, cat = users
    async with visitors(APP) as visitor, stage.fleet.running("gateway") as leaving:
        ann, first, second = (visitor() for _ in range(3))
        await signed_in(ann, stage.gateway, name, bob, cat)
        await signed_in(first, leaving, bob)
        await ann.until(lambda: ("online", bob) in told(ann))
        before = len(told(ann))

        leaving.send(signal.SIGTERM)
        assert await first.until_closed() == 4200
        await signed_in(first, stage.gateway, bob)
        # Their graces would be over in this order.
        await signed_in(second, stage.gateway, cat)
        await ann.until(lambda: ("online", cat) in told(ann))
        await second.leave()
        await ann.until(lambda: told(ann)[-1] == ("offline", cat))

        assert told(ann)[before:] == [("online", cat), ("offline", cat)]
