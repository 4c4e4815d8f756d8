"""The dispatcher over real HTTP: rates, and keys that make a request happen once."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import structs

from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from tests.support.clients.back_ends import BackEnd, back_end
from tests.support.services.dispatcher import APP, OFF, ServedDispatcher, served_dispatcher

EVENTS, BATCH, CHANNELS = "/apps/1/events", "/apps/1/batch_events", "/apps/1/channels"
EVENT = json.dumps({"name": "moved", "data": "{}", "channels": ["a"]}).encode()


@asynccontextmanager
async def limited(**limits: Any) -> AsyncIterator[tuple[ServedDispatcher, BackEnd]]:
    """Serve an app with these limits."""
    app = structs.replace(APP, limits=Limits(**limits))
    async with served_dispatcher(MemoryApps([app, OFF])) as here, back_end(app) as backend:
        yield here, backend


def batch(*channels: str) -> bytes:
    events = [{"name": "moved", "data": "{}", "channel": channel} for channel in channels]
    return json.dumps({"batch": events}).encode()


class TestRates:
    """docs/configuration.md, "Limits of an app"."""

    async def test_publishes(self) -> None:
        """
        Who publishes too fast is told when to try again, and nothing of it is published.
        """
        async with limited(publishes=2) as (here, backend):
            answers = [await backend.post(here.url, EVENTS, EVENT) for _ in range(3)]
            here.rates.now = 0.5
            later = await backend.post(here.url, EVENTS, EVENT)

            assert [answer.status for answer in answers] == [200, 200, 429]
            assert answers[2].headers["Retry-After"] == "1"
            assert "limits.publishes" in answers[2].body["error"]
            assert later.status == 200
            assert len(await here.bus.frames("a")) == 3

    async def test_each_channel_counts(self) -> None:
        """
        An event for several channels costs as much as several events; so does a batch.
        """
        async with limited(publishes=4) as (here, backend):
            first = await backend.post(here.url, BATCH, batch("a", "b", "c"))
            second = await backend.post(here.url, BATCH, batch("a", "b"))

            assert (first.status, second.status) == (200, 429)

    async def test_cloudevents(self) -> None:
        """
        What goes through the event log counts too.
        """
        async with limited(publishes=1) as (here, backend):
            answers = [await backend.emit(here.url, {"n": n}) for n in range(2)]

            assert [answer.status for answer in answers] == [202, 429]

    async def test_reads(self) -> None:
        async with limited(reads=1) as (here, backend):
            answers = [await backend.get(here.url, CHANNELS) for _ in range(2)]
            published = await backend.post(here.url, EVENTS, EVENT)

            assert [answer.status for answer in answers] == [200, 429]
            assert published.status == 200

    async def test_count_away(self) -> None:
        """
        While the shared count is away the process counts for itself.
        """
        async with limited(publishes=1) as (here, backend):
            here.faults.left["take"] = 2
            answers = [await backend.post(here.url, EVENTS, EVENT) for _ in range(2)]

            assert [answer.status for answer in answers] == [200, 429]

    async def test_unlimited(self) -> None:
        """
        An app without such a limit is not counted.
        """
        async with limited() as (here, backend):
            await backend.post(here.url, EVENTS, EVENT)
            await backend.get(here.url, CHANNELS)

            assert here.rates.taken == []

    async def test_refused_are_not_counted(self) -> None:
        """
        A request that is not the app's, or breaks a rule, costs it nothing.
        """
        async with limited(publishes=1) as (here, backend):
            await backend.post(here.url, EVENTS, EVENT, auth_signature="0" * 64)
            await backend.post(here.url, EVENTS, b"{}")

            assert here.rates.taken == []


class TestIdempotencyKey:
    """docs/protocol.md, "HTTP API"."""

    async def test_repeated(self) -> None:
        """
        The same request with the same key is done once, and answered as the first time.
        """
        async with limited() as (here, backend):
            answers = [await _with_key(here, backend, EVENTS, EVENT) for _ in range(3)]

            assert [(answer.status, answer.body) for answer in answers] == [(200, {})] * 3
            assert len(await here.bus.frames("a")) == 1

    async def test_another_body(self) -> None:
        """
        A key that stands for another request is refused; nothing is published.
        """
        async with limited() as (here, backend):
            await _with_key(here, backend, BATCH, batch("a"))
            answer = await _with_key(here, backend, BATCH, batch("a", "b"))
            elsewhere = await _with_key(here, backend, EVENTS, batch("a"))

            assert answer.status == 409
            assert "another request" in answer.body["error"]
            assert elsewhere.status == 400  # It is no event; the key was not looked at.
            assert await here.bus.frames("b") == []

    async def test_another_query(self) -> None:
        """
        Where the query names the event, as in Pusher's first API, another name is another request.
        """
        async with limited() as (here, backend):
            first = await _former(here, backend, name="moved")
            another = await _former(here, backend, name="removed")
            repeated = await _former(
                here, backend, name="moved", auth_timestamp=str(int(time.time()) - 1)
            )

            assert [answer.status for answer in (first, another, repeated)] == [202, 409, 202]
            assert len(await here.bus.frames("a")) == 1

    async def test_half_done(self) -> None:
        """
        A request that failed half-way is completed by its repetition, and nothing comes twice.
        """
        async with limited() as (here, backend):
            here.faults.left["publish"], here.bus.applied = 1, 1
            failed = await _with_key(here, backend, BATCH, batch("a", "b", "a"))
            repeated = await _with_key(here, backend, BATCH, batch("a", "b", "a"))

            assert (failed.status, repeated.status) == (503, 200)
            assert len(await here.bus.frames("a")) == 2
            assert len(await here.bus.frames("b")) == 1

    async def test_without_a_key(self) -> None:
        """
        A plain repetition is a new event: nobody said that it is not.
        """
        async with limited() as (here, backend):
            for _ in range(2):
                await backend.post(here.url, EVENTS, EVENT)

            assert len(await here.bus.frames("a")) == 2

    async def test_too_long(self) -> None:
        async with limited() as (here, backend):
            answer = await _with_key(here, backend, EVENTS, EVENT, "k" * 256)

            assert answer.status == 400
            assert "255 characters" in answer.body["error"]

    @pytest.mark.parametrize("fault", ["claim", "publish"])
    async def test_away(self, fault: str) -> None:
        """
        While the bus is away the request may be repeated with its key.
        """
        async with limited() as (here, backend):
            here.faults.left[fault] = 1
            first = await _with_key(here, backend, EVENTS, EVENT)
            second = await _with_key(here, backend, EVENTS, EVENT)

            assert (first.status, second.status) == (503, 200)
            assert len(await here.bus.frames("a")) == 1


async def _with_key(
    here: ServedDispatcher, backend: BackEnd, path: str, body: bytes, key: str = "order-1"
) -> Any:
    return await backend.post(here.url, path, body, {"X-Idempotency-Key": key})


async def _former(here: ServedDispatcher, backend: BackEnd, **params: str) -> Any:
    """Publish as Pusher's first API had it, with a key."""
    key = {"X-Idempotency-Key": "order-1"}
    return await backend.post(here.url, "/apps/1/channels/a/events", b"{}", key, **params)
