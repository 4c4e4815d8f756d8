"""Gateways with quotas: their apps, a tally that takes its time, and what clients meet."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from libs.common.apps.signatures import token, user_text
from libs.common.errors import Unavailable
from libs.common.tally.port import Count, Outcome, Subject
from tests.support.clients.client import Client
from tests.support.fakes.faults import FaultyBus, FaultyRoster
from tests.support.fakes.tallies import FaultyTally
from tests.support.services.gateway import APP, Place, place, until

WHOLE, ANN = Subject("app", APP.id), Subject("user", APP.id, "ann")


class SlowTally(FaultyTally):
    """
    A tally whose answers can be held back.

    Attributes:
        answers: Cleared to have them wait.
    """

    def __init__(self, bus: FaultyBus, roster: FaultyRoster) -> None:
        super().__init__(bus, roster.inner_leases)
        self.answers = asyncio.Event()
        self.answers.set()

    async def report(self, gateway: str, counts: Sequence[Count]) -> list[Outcome | Unavailable]:
        """See `Tally.report`."""
        answers = await super().report(gateway, counts)
        await self.answers.wait()
        return answers


def limited(tenant: str = "", **limits: int) -> MemoryApps:
    """Know `APP` alone, as `limited_app` has it."""
    return MemoryApps([limited_app(tenant, **limits)])


def limited_app(tenant: str = "", **limits: int) -> App:
    """Make `APP` with these limits, and with the field that names tenants."""
    return msgspec.structs.replace(APP, tenant=tenant, limits=Limits(**limits))


@asynccontextmanager
async def slow(apps: MemoryApps, **settings: Any) -> AsyncIterator[tuple[Place, SlowTally]]:
    """Serve a gateway whose tally can be held back."""
    bus = FaultyBus()
    roster = FaultyRoster(bus)
    tally = SlowTally(bus, roster)
    async with place(bus=bus, roster=roster, tally=tally, apps=apps, **settings) as here:
        try:
            yield here, tally
        finally:
            tally.answers.set()


async def expect_sent_away(client: Client, code: int) -> None:
    """See that a client is told why, and closed."""
    await client.expect_error(code)
    assert await client.expect_close() == code


async def expect_let_in(*clients: Client) -> None:
    """See that clients were let in, and are still here."""
    for client in clients:
        await client.expect_nothing_else()


async def expect_refused(here: Place, code: int, headers: dict[str, str] | None = None) -> None:
    """See that who connects now is not let in."""
    await expect_sent_away(await here.open(headers=headers), code)


async def sign_in(client: Client, user: str, info: Any = None) -> None:
    """Sign in, which succeeds whatever the quota."""
    text = json.dumps({"id": user, "user_info": info})
    data = {"auth": token(APP, user_text(client.socket_id, text)), "user_data": text}
    await client.send({"event": "pusher:signin", "data": data})
    await client.expect("pusher:signin_success")


def held(here: Place, subject: Subject) -> int:
    """Return what all gateways hold of a subject, as the tally has it."""
    return here.tally.held(subject)


async def until_nothing_is_held(here: Place) -> None:
    """Wait until the tally holds nothing, and the gateway neither counts nor reports anything."""
    await until(lambda: not (here.tally.subjects() or here.gateway.state().counted))
    state = here.gateway.state()
    assert (state.newcomers, state.unreported) == (0, 0)
