"""A publish that names its user ends that user's typing."""

import json
from collections.abc import AsyncIterator

import pytest

from libs.common.bus.messages import Delivery, Entry, Typed
from libs.common.channels import Channel
from libs.common.typists.port import Report, Typing
from services.dispatcher.settings import Route
from tests.support.clients.back_ends import BackEnd, back_end
from tests.support.deadline import DEADLINE
from tests.support.ports.eventlogs import until
from tests.support.ports.rosters import LONG
from tests.support.ports.typists import CHAT, ROOM, TypingWorld, says, typing_in, typing_world
from tests.support.services.dispatcher import APP, ServedDispatcher, served_dispatcher

EVENTS, BATCH = "/apps/1/events", "/apps/1/batch_events"
ROUTES = [
    Route(name=kind, type=kind, channels=(channel.name,), event="step", app="1")
    for kind, channel in (("written", CHAT), ("shown", ROOM))
]


@pytest.fixture
async def here() -> AsyncIterator[ServedDispatcher]:
    """Serve a dispatcher with routes."""
    async with served_dispatcher(routes=ROUTES) as here:
        yield here


@pytest.fixture
async def backend() -> AsyncIterator[BackEnd]:
    async with back_end(APP) as backend:
        yield backend


def body(*channels: Channel, **more: object) -> bytes:
    names = [channel.name for channel in channels]
    return json.dumps({"name": "message", "data": "{}", "channels": names, **more}).encode()


async def begin(here: ServedDispatcher, *user_ids: str) -> None:
    """Let users type in both channels, by a gateway and by a back end."""
    await here.typists.report(
        [
            Report(channel, user_id, source, LONG)
            for channel in (CHAT, ROOM)
            for user_id in user_ids
            for source in ("g1", "")
        ]
    )
    here.typists.calls = 0


async def typing(here: ServedDispatcher) -> list[tuple[str, ...] | None]:
    """Return who types in both channels."""
    return [each.user_ids for each in await here.typists.inner.typing([CHAT, ROOM])]


class TestPusherApi:
    """``user_id`` of an event, which is an extension of ours."""

    async def test_event(self, here: ServedDispatcher, backend: BackEnd) -> None:
        """The user types in none of the channels any more; nobody else has stopped."""
        await begin(here, "ann", "bob")

        got = await backend.post(here.url, EVENTS, body(CHAT, ROOM, user_id="ann"))

        assert (got.status, got.body) == (200, {})
        assert await typing(here) == [("bob",), ("bob",)]

    async def test_batch(self, here: ServedDispatcher, backend: BackEnd) -> None:
        """Each event of a batch names its own."""
        await begin(here, "ann", "bob")
        event = {"name": "message", "data": "{}"}
        batch = [
            event | {"channel": CHAT.name, "user_id": "ann"},
            event | {"channel": ROOM.name, "user_id": "bob"},
            event | {"channel": ROOM.name},
        ]

        got = await backend.post(here.url, BATCH, json.dumps({"batch": batch}).encode())

        assert got.status == 200
        assert await typing(here) == [("bob",), ("ann",)]
        assert here.typists.calls == 1

    async def test_afterwards(self, here: ServedDispatcher, backend: BackEnd) -> None:
        """Subscribers get the event before they are told that its user types no more."""
        deliveries: list[Delivery] = []
        async with here.bus.listen() as listener:
            await listener.follow([CHAT])
            await here.typists.report([Report(CHAT, "ann", "g1", LONG)])
            deliveries += await listener.receive(DEADLINE)

            await backend.post(here.url, EVENTS, body(CHAT, user_id="ann"))
            while len(deliveries) < 2:
                deliveries += await listener.receive(DEADLINE)

        assert [type(each) for each in deliveries] == [Typed, Entry]
        assert await typing(here) == [(), ()]

    async def test_nobody(self, here: ServedDispatcher, backend: BackEnd) -> None:
        """Where no user is named nothing is asked of typists."""
        await begin(here, "ann")

        got = await backend.post(here.url, EVENTS, body(CHAT))

        assert got.status == 200
        assert await typing(here) == [("ann",), ("ann",)]
        assert here.typists.calls == 0

    async def test_bad_user(self, here: ServedDispatcher, backend: BackEnd) -> None:
        """A text that is no user's id is refused, and nothing is published."""
        got = await backend.post(here.url, EVENTS, body(CHAT, user_id="a\n"))

        assert got.status == 400
        assert "user's id" in got.body["error"]
        assert await here.bus.frames(CHAT.name) == []

    async def test_away(self, here: ServedDispatcher, backend: BackEnd) -> None:
        """What is published is, though nobody can be told that its user has stopped."""
        here.typists.is_away = True

        got = await backend.post(here.url, EVENTS, body(CHAT, user_id="ann"))

        assert got.status == 200
        assert len(await here.bus.frames(CHAT.name)) == 1


class TestCloudEvents:
    """``userid``, an extension attribute."""

    async def test_routed(self, here: ServedDispatcher, backend: BackEnd) -> None:
        """The user types no more in the channels that the event is routed to."""
        await begin(here, "7", "bob")

        got = await backend.emit(here.url, {}, type="written", userid="7")
        await until(lambda: here.typists.calls == 1)

        assert got.status == 202
        assert await typing(here) == [("bob",), ("7", "bob")]

    async def test_away(self, here: ServedDispatcher, backend: BackEnd) -> None:
        """The next events are routed, though nobody can be told that a user has stopped."""
        here.typists.is_away = True

        for _ in range(2):
            await backend.emit(here.url, {}, type="written", userid="ann")
        await until(lambda: here.typists.calls == 2)

        assert len(await here.bus.frames(CHAT.name)) == 2

    async def test_nobody(self, here: ServedDispatcher, backend: BackEnd) -> None:
        """An event that names nobody, or nobody who can be, is routed like any other."""
        await begin(here, "ann")
        await backend.emit(here.url, {}, type="written")
        await backend.emit(here.url, {}, type="written", userid="a\n")
        await backend.emit(here.url, {}, type="shown", userid="ann")
        await until(lambda: here.typists.calls > 0)

        assert len(await here.bus.frames(CHAT.name)) == 2
        assert await typing(here) == [("ann",), ()]
        assert here.typists.calls == 1


@pytest.fixture
async def world(redis_url: str, prefix: str) -> AsyncIterator[TypingWorld]:
    """Yield typists on Redis."""
    async with typing_world(redis_url, prefix) as world:
        yield world


async def test_redis(world: TypingWorld, backend: BackEnd) -> None:
    """So it is on Redis: the user has stopped for every process."""
    one = world.processes[0].typists
    await one.report([says("ann"), says("ann", source="g2"), says("bob")])
    async with served_dispatcher(typists=one) as here:
        await backend.post(here.url, EVENTS, body(CHAT, ROOM, user_id="ann"))

    assert await typing_in(world) == Typing(1, ("bob",), was_told=True)
