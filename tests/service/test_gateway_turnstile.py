"""Newcomers who wait until the tally says whether there is room."""

import asyncio

import pytest

from services.gateway import turnstile
from tests.support.client import DEADLINE
from tests.support.gateways import until
from tests.support.quotas import (
    WHOLE,
    expect_refused,
    expect_sent_away,
    held,
    limited,
    slow,
    until_nothing_is_held,
)
from tests.support.rawclient import RawClient

pytestmark = pytest.mark.usefixtures("quick")

PATH = "/app/app-key?protocol=7"


class TestWaiting:
    """Newcomers whose answer takes long."""

    async def test_patience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Who waited for long is told to come back, and counts for nothing when the answer comes.
        """
        monkeypatch.setattr(turnstile, "PATIENCE", 0.05)
        async with slow(limited(connections=1)) as (here, tally):
            tally.answers.clear()

            await expect_refused(here, 4100)
            tally.answers.set()

            await until_nothing_is_held(here)

    async def test_too_many_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Of more than may wait, those above it are told to come back.
        """
        monkeypatch.setattr(turnstile, "MOST", 1)
        async with slow(limited(connections=9)) as (here, tally):
            tally.answers.clear()
            first, second = await here.open(), None
            await until(lambda: len(tally.reports) == 1)
            second = await here.open()
            await until(lambda: len(here.gateway._turnstile._quotas) == 1)

            await expect_refused(here, 4100)

            tally.answers.set()
            await first.greeted()
            await second.greeted()

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
            tally.answers.clear()
            clients = [await here.open() for _ in range(3)]
            await until(lambda: len(here.gateway._turnstile._quotas) >= 2)
            tally.answers.set()

            messages = [await client.read() for client in clients]

            assert sorted(message["event"] for message in messages) == [
                "pusher:connection_established",
                "pusher:error",
                "pusher:error",
            ]
            await until(lambda: held(here, WHOLE) == 1)

    async def test_draining(self) -> None:
        """
        Who is let in while the gateway goes is sent elsewhere, and is not waited for.
        """
        async with slow(limited(connections=9)) as (here, tally):
            tally.answers.clear()
            client = await here.open()
            await until(lambda: len(tally.reports) == 1)
            draining = asyncio.create_task(here.gateway.drain())
            await until(lambda: here.gateway._draining)
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
