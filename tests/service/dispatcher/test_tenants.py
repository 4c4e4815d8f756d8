"""What an app's back ends store or cost others is bounded (docs/adr/0035-tenants-apart.md)."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import structs

from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from libs.common.bus.memory import MemoryBus
from libs.common.channels import Channel
from libs.common.leases.memory import MemoryLeases
from libs.common.rates.limited import refusals_by_limit
from libs.common.rates.memory import MemoryRates
from libs.common.rates.throttle import Throttle
from libs.common.roster.memory import MemoryRoster
from libs.common.tally.memory import MemoryTally
from libs.common.web.authentication import AppAuthenticator
from services.dispatcher.api.publishing import TERMINATE_TTL
from services.dispatcher.api.reads import BATCH as BATCH_OF_CHANNELS
from services.dispatcher.api.reads import Reads
from tests.support.clients.back_ends import Answer, BackEnd, back_end
from tests.support.services.dispatcher import APP, OFF, ServedDispatcher, served_dispatcher

OTHER = structs.replace(OFF, enabled=True)
EVENTS, BATCH = "/apps/1/events", "/apps/1/batch_events"


@asynccontextmanager
async def limited(**limits: Any) -> AsyncIterator[tuple[ServedDispatcher, BackEnd, BackEnd]]:
    """Serve an app with these limits, and another one with none of them."""
    apps = MemoryApps([structs.replace(APP, limits=Limits(**limits)), OTHER])
    async with served_dispatcher(apps) as here, back_end(APP) as one, back_end(OTHER) as other:
        yield here, one, other


async def terminate(here: ServedDispatcher, backend: BackEnd, user: str) -> Answer:
    return await backend.post(here.url, f"/users/{user}/terminate_connections", b"{}")


async def in_force(here: ServedDispatcher) -> list[str]:
    """Name the users whose connections were ended."""
    async with here.control.listen() as listener:
        return [command.subject for command in await listener.receive(0.0)]


class TestTerminations:
    """Each is remembered, and costs every gateway."""

    async def test_rate(self) -> None:
        """
        Who ends connections too fast is told when to go on; other apps are not.
        """
        before = Counter(refusals_by_limit())
        async with limited(terminations=2) as (here, one, other):
            answers = [await terminate(here, one, user) for user in ("ann", "ben", "cy")]
            others = await terminate(here, other, "dan")
            here.rates.now = 0.5
            later = await terminate(here, one, "cy")

            assert [answer.status for answer in (*answers, others, later)] == [
                200,
                200,
                429,
                200,
                200,
            ]
            assert answers[2].headers["Retry-After"] == "1"
            assert "limits.terminations" in answers[2].body["error"]
            assert await in_force(here) == ["ann", "ben", "dan", "cy"]
        assert Counter(refusals_by_limit()) - before == {"terminations": 1}

    async def test_in_force(self) -> None:
        """
        As many are remembered as may be: none is forgotten for another.
        """
        before = Counter(refusals_by_limit())
        async with limited(commands=2) as (here, one, other):
            answers = [await terminate(here, one, user) for user in ("ann", "ben", "cy")]
            others = await terminate(here, other, "dan")

            assert [answer.status for answer in answers] == [200, 200, 429]
            assert TERMINATE_TTL - 60 < int(answers[2].headers["Retry-After"]) <= TERMINATE_TTL
            assert "limits.commands" in answers[2].body["error"]
            assert others.status == 200
            assert await in_force(here) == ["ann", "ben", "dan"]
        assert Counter(refusals_by_limit()) - before == {"commands": 1}

    @pytest.mark.parametrize(
        "user, status", [("u" * 128, 200), ("u" * 129, 400), ("u" * 4000, 400), ("a%00b", 400)]
    )
    async def test_user(self, user: str, status: int) -> None:
        """
        Nobody is named by an id that no user can have.
        """
        async with limited() as (here, one, _):
            answer = await one.post(here.url, f"/users/{user}/terminate_connections", b"{}")

            assert answer.status == status
            assert len(await in_force(here)) == (status == 200)


class TestEventsBatch:
    """A batch of CloudEvents."""

    @pytest.mark.parametrize("most, status", [(3, 202), (2, 400), (0, 202), (-1, 202)])
    async def test_size(self, most: int, status: int) -> None:
        """
        One that is too large is refused as a whole.
        """
        async with limited(events_batch=most) as (here, one, _):
            answer = await one.emit(here.url, 1, 2, 3)

            assert answer.status == status
            if status == 400:
                assert answer.body["error"] == "Batch too large (> 2, limits.events_batch)"
                assert here.events.inner.end("posted") == 0
            else:
                assert answer.body["accepted"] == 3

    async def test_last_is_bad(self) -> None:
        """
        A batch whose last event breaks a rule is refused as a whole.
        """
        async with limited() as (here, one, _):
            good = {"specversion": "1.0", "id": "1", "source": "/", "type": "t"}
            headers = {"Content-Type": "application/cloudevents-batch+json"}
            answer = await one.emit(here.url, *range(250), specversion="0.3")
            body = json.dumps([good] * 250 + [{}]).encode()
            await one.post(here.url, "/events", body, headers)

            assert answer.status == 400
            assert here.events.inner.end("posted") == 0


class TestIdempotencyKeys:
    """Each publication with one is remembered for an hour."""

    @pytest.mark.parametrize(
        "path, body",
        [
            (EVENTS, {"name": "moved", "data": "{}", "channels": ["a", "b", "c"]}),
            (BATCH, {"batch": [{"name": "moved", "data": "{}", "channel": "a"}] * 3}),
        ],
    )
    async def test_rate(self, path: str, body: Any) -> None:
        """
        Who posts too many is told when to go on, and may go on without a key.
        """
        async with limited(idempotency_keys=3) as (here, one, other):
            text = json.dumps(body).encode()
            first = await one.post(here.url, path, text, {"X-Idempotency-Key": "1"})
            second = await one.post(here.url, path, text, {"X-Idempotency-Key": "2"})
            without = await one.post(here.url, path, text)
            path = path.replace("/1/", "/2/")
            others = await other.post(here.url, path, text, {"X-Idempotency-Key": "2"})

            assert [each.status for each in (first, second, without, others)] == [
                200,
                429,
                200,
                200,
            ]
            assert second.headers["Retry-After"] == "1"
            assert "limits.idempotency_keys" in second.body["error"]


class TestChannels:
    """Very many channels that are asked about at once."""

    async def test_turns(self) -> None:
        """
        Others have their turn after each few hundred, though nothing is waited for.
        """
        bus, leases = MemoryBus(), MemoryLeases()
        reads = Reads(
            AppAuthenticator(MemoryApps([APP]), 1.0),
            bus,
            MemoryRoster(bus.announce, leases),
            tally=MemoryTally(bus.announce, leases),
            throttle=Throttle(MemoryRates()),
        )
        channels = [Channel("1", str(number)) for number in range(4 * BATCH_OF_CHANNELS)]
        came = 0

        async def others() -> None:
            nonlocal came
            while True:
                came += 1
                await asyncio.sleep(0)

        task = asyncio.ensure_future(others())
        described = await reads.descriptions(channels, [frozenset()] * len(channels))
        task.cancel()

        assert len(described) == len(channels)
        assert came >= 4
