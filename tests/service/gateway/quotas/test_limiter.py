"""Newcomers who wait until the tally says whether there is room."""

import asyncio
from collections import Counter
from dataclasses import replace
from ipaddress import ip_network

import msgspec
import pytest

from libs.common.apps.memory import MemoryApps
from libs.common.rates.limited import refusals_by_limit
from libs.common.web.proxies import Proxies
from services.gateway.protocol.effects import Effect
from services.gateway.quotas import limiter
from services.gateway.session.session import Session
from tests.support.clients.raw_client import RawClient
from tests.support.deadline import DEADLINE
from tests.support.services.gateway import APP, QUICK, place, until
from tests.support.services.quotas import (
    WHOLE,
    expect_let_in,
    expect_refused,
    expect_sent_away,
    held,
    limited,
    limited_app,
    slow,
    until_nothing_is_held,
)

LOCAL = Proxies([ip_network("127.0.0.0/8")])
PATH = "/app/app-key?protocol=7"


class TestWaiting:
    """Newcomers whose answer takes long."""

    async def test_patience(self) -> None:
        """
        Who waited for long is told to come back, and counts for nothing when the answer comes.
        """
        soon = {"lease_renew": 0.01, "timers": replace(QUICK, room_margin=0.02)}
        async with slow(limited(connections=1), **soon) as (here, tally):
            tally.answers.clear()

            await expect_refused(here, 4100)
            tally.answers.set()

            await until_nothing_is_held(here)

    async def test_too_many_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Of more than may wait, those above it are told to come back.
        """
        monkeypatch.setattr(limiter, "MOST", 1)
        async with slow(limited(connections=9)) as (here, tally):
            tally.answers.clear()
            first, second = await here.open(), None
            await until(lambda: len(tally.reports) == 1)
            second = await here.open()
            await until(lambda: here.gateway.state().newcomers == 1)

            await expect_refused(here, 4100)

            tally.answers.set()
            await first.greeted()
            await second.greeted()

    async def test_others_may(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Who has no limit is let in however many wait.
        """
        monkeypatch.setattr(limiter, "MOST", 1)
        another = msgspec.structs.replace(APP, id="2", key="other-key")
        async with slow(MemoryApps([limited_app(connections=9), another])) as (here, tally):
            tally.answers.clear()
            clients = [await here.open()]
            await until(lambda: len(tally.reports) == 1)
            clients.append(await here.open())
            await until(lambda: here.gateway.state().newcomers == 1)

            await here.connect("/app/other-key?protocol=7")

            tally.answers.set()
            for client in clients:
                await client.greeted()

    async def test_tally_behind(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Whoever comes while the tally is away, from however many addresses, is not all remembered.
        """
        monkeypatch.setattr(limiter, "BACKLOG", 5)
        async with place(apps=limited(connections_per_address=1), proxies=LOCAL) as here:
            here.tally.is_away = True
            for number in range(10):
                await expect_refused(here, 4100, {"X-Forwarded-For": f"198.51.100.{number}"})

            assert here.gateway.state().unreported == 5

            here.tally.is_away = False
            await until_nothing_is_held(here)
            client = await here.connect(headers={"X-Forwarded-For": "198.51.100.1"})
            await expect_let_in(client)

    async def test_gone(self) -> None:
        """
        A client that vanishes while it waits leaves nothing behind.
        """
        async with slow(limited(connections=1)) as (here, tally):
            tally.answers.clear()
            client = await RawClient.connect(here.port, PATH)
            await until(lambda: len(tally.reports) == 1)

            client.reset()
            tally.answers.set()

            await until_nothing_is_held(here)
            await here.connect()

    async def test_what_it_says_meanwhile(self) -> None:
        """
        What a client sends before it is let in is answered afterwards.
        """
        async with slow(limited(connections=1)) as (here, tally):
            tally.answers.clear()
            client = await here.open()
            await client.send({"event": "pusher:ping", "data": {}})
            tally.answers.set()

            await client.greeted()
            await client.expect("pusher:pong")

    async def test_full_meanwhile(self) -> None:
        """
        No more are let in than the gateway may hold, however many waited at once.
        """
        async with slow(limited(connections=9), max_connections=1) as (here, tally):
            before = Counter(refusals_by_limit())
            tally.answers.clear()
            clients = [await here.open() for _ in range(3)]
            await until(lambda: here.gateway.state().newcomers >= 2)
            tally.answers.set()

            messages = [await client.read() for client in clients]

            assert sorted(message["event"] for message in messages) == [
                "pusher:connection_established",
                "pusher:error",
                "pusher:error",
            ]
            await until(lambda: held(here, WHOLE) == 1)
            assert Counter(refusals_by_limit()) - before == {"max_connections": 2}

    async def test_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A client that cannot be served by our own fault is cut off, counts for nothing, and is the only one.
        """

        def fail(_: Session) -> list[Effect]:
            raise AssertionError

        async with slow(limited(connections=1)) as (here, tally):
            tally.answers.clear()
            client = await RawClient.connect(here.port, PATH)
            await until(lambda: len(tally.reports) == 1)
            with monkeypatch.context() as patched:
                patched.setattr(Session, "opened", fail)
                tally.answers.set()

                await client.rest()

            await until_nothing_is_held(here)
            await here.connect()

    async def test_draining(self) -> None:
        """
        Who is let in while the gateway goes is sent elsewhere, and is not waited for.
        """
        async with slow(limited(connections=9)) as (here, tally):
            tally.answers.clear()
            client = await here.open()
            await until(lambda: len(tally.reports) == 1)
            draining = asyncio.create_task(here.gateway.drain())
            await until(lambda: not here.gateway.state().is_accepting)
            assert not draining.done()

            tally.answers.set()

            await expect_sent_away(client, 4100)
            async with asyncio.timeout(DEADLINE):
                await draining
            await until_nothing_is_held(here)

    async def test_stopped(self) -> None:
        """
        A gateway that ends does not wait for them.
        """
        async with slow(limited(connections=9)) as (here, tally):
            tally.answers.clear()
            await here.open()
            await until(lambda: len(tally.reports) == 1)
