"""What stays of connections that are over while their gateway goes on: nothing, whatever they did."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import WSMsgType

from libs.common.policies.guards import Guards
from libs.common.policies.policies import Policies
from libs.common.policies.selections import SelectedChannels
from libs.common.policies.settings import ChannelPolicy
from services.gateway.connections.connection import Connection
from services.gateway.connections.socket import Socket
from services.gateway.intake.intake import Intake
from services.gateway.memory.holdings import Holdings
from services.gateway.session.session import Session
from services.gateway.timers import Timers
from services.reload import Rules
from tests.support.clients import pusher
from tests.support.clients.client import SUCCEEDED, Client
from tests.support.clients.raw_client import RawClient, masked
from tests.support.deadline import DEADLINE
from tests.support.services.gateway import APP, QUICK, Place, place, until
from tests.support.services.listener import Listener, alive, fill, remaining, uncollected
from tests.support.tokens.channel_tokens import channel_token

ROOM = "presence-room"


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """
    See that of the connections which begin and end in the context nothing is in memory soon after.

    That takes no collector, which would have to look at all other connections.
    """
    kinds = Socket, Connection, Session
    others = {id(each): each for each in alive(*kinds)}
    with uncollected():
        yield
        await until(lambda: not [e for e in remaining(*kinds) if id(e) not in others])


async def subscribes(here: Place) -> Client:
    return await here.join("a", "private-a", "cache-a")


async def is_member(here: Place) -> Client:
    client = await here.connect()
    await client.subscribe(ROOM, user="ann")
    return client


async def is_seated_again(here: Place) -> Client:
    client = await is_member(here)
    joins = here.roster.joins
    here.bus.interrupt()
    await until(lambda: here.roster.joins > joins)
    return client


async def is_silent(here: Place) -> Client:
    client = await here.open(autoping=False)
    await client.greeted()
    assert (await client.receive()).type is WSMsgType.PING
    return client


async def shows_tokens(here: Place) -> Client:
    """One after another, so that each takes the place of an earlier one somewhere."""
    guards = Guards([ChannelPolicy(pattern="guarded", allow="true", app=APP.id)])
    here.gateway.adopt(
        Rules(
            Policies([]), guards, routes=(), typing=SelectedChannels(), receipts=SelectedChannels()
        )
    )
    one, two = (channel_token("ann", "private-a", now=time.time())[0] for _ in range(2))
    client = await here.connect()
    await sign_in(client, one)
    await subscribe(client, "guarded")
    await subscribe(client, "private-a", auth=two)
    await sign_in(client, two)
    return client


async def sign_in(client: Client, token: str) -> None:
    await client.send({"event": "pusher:signin", "data": {"auth": token}})
    await client.expect("pusher:signin_success")


async def subscribe(client: Client, channel: str, *, auth: str = "") -> None:
    await client.send(pusher.subscribe(channel, auth=auth))
    await client.expect(SUCCEEDED, channel)


async def asks_in_vain(here: Place) -> Client:
    client = await here.connect()
    here.bus.is_away = here.roster.is_away = True
    await client.ask("a")
    await client.ask(ROOM, user="ann")
    await client.expect_nothing_else()
    return client


class TestGateway:
    """A gateway whose clients come and go."""

    @pytest.mark.parametrize(
        "life", [subscribes, is_member, is_seated_again, is_silent, shows_tokens, asks_in_vain]
    )
    async def test_nothing_is_held(self, life: Callable[[Place], Awaitable[Client]]) -> None:
        """
        Whatever a client did, and whether backends are away or not.
        """
        async with place(activity_timeout=0.2) as here, nothing_left():
            client = await life(here)

            await client.close()

    async def test_turns(self) -> None:
        """
        Nor of one that waits for its turn to subscribe, or has waited for it.
        """
        rates: dict[str, Any] = {"subscribes": 20, "new_channels": 20, "new_channels_burst": 1}
        async with place(**rates) as here, nothing_left():
            client = await here.join("a", "b", "c")
            await client.ask("d")
            await client.expect_nothing_else()

            await client.close()


class TestUnread:
    """A client that has ended its side, and does not read what waits for it."""

    async def test_is_ended(self, listener: Listener) -> None:
        """
        When it is closed it is not waited for.
        """
        listener.timers = Timers(closing=0.1)
        line, client = await listener.connect(receives=4096)
        fill(line)
        client.end_writing()
        await until(line.transport.is_closing)

        line.connection.close(4200, "this gateway is going, connect again")

        await line.end()

    async def test_is_not_kept(self) -> None:
        """
        Its connection is given up like that of any client that is silent.
        """
        timers = replace(QUICK, closing=0.1)
        async with (
            place(timers=timers, activity_timeout=0.5, pong_timeout=0.1) as here,
            nothing_left(),
        ):
            client = await RawClient.connect(here.port, "/app/app-key?protocol=7", receives=4096)
            await client.send(pusher.subscribe("a"))
            for _ in range(2):  # The greeting and the confirmation.
                await client.frame()
            async with asyncio.timeout(DEADLINE):
                while not here.gateway.state().unsent:
                    await here.publish("a", "x" * 65_536)
                    await asyncio.sleep(0)

            client.end_writing()

            await until(lambda: not here.gateway.state().connections)


async def test_half_a_message_is_counted(listener: Listener) -> None:
    """
    What a client has sent of a message that is not whole is kept, and counts at once.
    """
    line, client = await listener.connect()
    line.socket.holdings = Holdings()
    half = masked(b"x" * 1000)[:-1]

    await client.write(half)

    await until(lambda: line.connection.kept == len(half))
    assert line.socket.holdings.total == len(half)


async def test_goes_on_when_it_has_read(listener: Listener) -> None:
    """
    The intake learns at once that a client has read what it was answered.
    """
    drained: list[object] = []
    intake = Intake()
    intake.drained = drained.append  # type: ignore[method-assign,assignment]
    line, _ = await listener.connect()
    surroundings = replace(line.connection._surroundings, intake=intake)
    line.connection._surroundings = surroundings

    line.connection.resume_writing()

    assert drained == [line.connection]
