"""Auth around memberships, and those who use it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from libs.common.apps.app import App
from libs.common.control.commands import Command
from libs.common.control.memory import MemoryControl
from libs.common.eventlog.memory import MemoryEventLog
from libs.common.memberships.membership import Membership
from libs.common.memberships.port import Memberships
from libs.common.policies.settings import ChannelPolicy
from services.auth.settings import AuthSettings, MembershipSettings
from tests.support.clients.back_ends import signed
from tests.support.deadline import DEADLINE
from tests.support.ports.memberships import Breaking
from tests.support.servers.process import eventually
from tests.support.services.auth import ISSUERS, NOW, ONE, TWO, Client, serving

CLOCKS = 10.0  # Seconds by which two clocks of this machine may differ at most.
PATH = "/auth/memberships"
INSERT = (
    "INSERT INTO fanfare_memberships (app, user_id, group_name) VALUES ('1', '7', 'campaign:5')"
)
ANN = Membership("1", "7", "campaign:5")
POLICIES = (
    ChannelPolicy(app="1", pattern="private-campaign.{id}", member_of="campaign:{id}"),
    ChannelPolicy(app="2", pattern="private-campaign.{id}", member_of="campaign:{id}"),
)


@dataclass(frozen=True, slots=True)
class Site:
    """Auth around memberships, and those who use it."""

    client: Client
    memberships: Breaking
    control: MemoryControl

    async def status(self, channel: str = "private-campaign.5", app: str = "one") -> int:
        """Tell what user 7 is answered."""
        response = await self.client.ask(channel, f"/broadcasting/auth?app_key={app}")
        return response.status

    async def becomes(self, status: int) -> None:
        """Wait until user 7 is answered otherwise."""

        async def is_so() -> bool:
            return await self.status() == status

        await eventually(is_so, timeout=DEADLINE)

    async def commanded(self) -> Command:
        """Wait for the first command."""
        async with asyncio.timeout(DEADLINE), self.control.listen() as listener:
            while True:
                for command in await listener.receive(DEADLINE):
                    return command

    async def write(self, method: str, body: Any, **params: str | None) -> tuple[int, Any]:
        """Put or remove memberships as a back end of the first app; other parameters as in `signed`."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        query = signed(ONE, PATH, data, method, **params)
        url = f"{self.client.base}{PATH}?{query}"
        async with aiohttp.request(method, url, data=data) as response:
            return response.status, await response.json()


@asynccontextmanager
async def site(
    memberships: Memberships,
    *,
    app: App = ONE,
    events: MemoryEventLog | None = None,
    control: MemoryControl | None = None,
    clock: Callable[[], float] = lambda: NOW,
    **settings: Any,
) -> AsyncIterator[Site]:
    breaking, control = Breaking(memberships), control or MemoryControl(clock)
    async with serving(
        app,
        TWO,
        settings=AuthSettings(issuers=ISSUERS, memberships=MembershipSettings(**settings)),
        memberships=breaking,
        control=control,
        events=events,
        policies=POLICIES,
        clock=clock,
    ) as (client, _):
        yield Site(client, breaking, control)
