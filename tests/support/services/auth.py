"""The auth service over real HTTP on a free port, with memory apps, and a page that asks it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientResponse, ClientSession

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.config.address import Address
from libs.common.config.secret import Secret
from libs.common.control.memory import MemoryControl
from libs.common.control.port import Control
from libs.common.errors import Unavailable
from libs.common.eventlog.memory import MemoryEventLog
from libs.common.eventlog.port import EventLog
from libs.common.memberships.memory import MemoryMemberships
from libs.common.memberships.port import Memberships
from libs.common.policies.guards import Guards
from libs.common.policies.policies import Policies
from libs.common.policies.settings import ChannelPolicy
from libs.common.rates.memory import MemoryRates
from libs.common.tokens.key_ring import KeyRing
from libs.common.tokens.settings import TokenSettings
from libs.common.web.server import Server
from services.auth.service import Auth
from services.auth.settings import AuthSettings, Issuer
from tests.support.deadline import DEADLINE
from tests.support.tokens.user_tokens import AUDIENCE, ISSUER, SECRET, token

NOW = 1_700_000_000.0
SITE = "https://www.example.org"
CHANNEL_PATHS = (
    "/broadcasting/auth",
    "/api/broadcasting/auth",
    "/pusher/auth",
)
USER_PATHS = ("/broadcasting/user-auth", "/pusher/user-auth")
ONE = App(
    id="1",
    key="one",
    secrets=(Secret("first"), Secret("older")),
    encryption_master_key=Secret("nxzvbGF+f8FGhk/jOaZvgMle1tqxzF/VfUZLBLhhaH0="),
)
TWO = App(id="2", key="two", secrets=(Secret("second"),), allowed_origins=(SITE,))
OFF = App(id="3", key="off", secrets=(Secret("third"),), enabled=False)
POLICIES = (
    ChannelPolicy(app="1", pattern="private-company.{id}", allow="id in claims.companies"),
    ChannelPolicy(app="1", pattern="presence-room", allow="true"),
    ChannelPolicy(app="1", pattern="private-encrypted-room", allow="true"),
    ChannelPolicy(app="2", pattern="private-two", allow="true"),
)
ISSUERS = (
    Issuer(issuer=ISSUER, audience=AUDIENCE, secret=Secret(SECRET), user_info={"name": "name"}),
    Issuer(issuer="two-only", audience=AUDIENCE, secret=Secret(SECRET), app="2"),
)


class Client:
    """A page that asks for grants."""

    def __init__(self, session: ClientSession, base: str) -> None:
        self._session = session
        self.base = base

    async def post(self, path: str = "/broadcasting/auth", **options: Any) -> ClientResponse:
        """Post, and read the answer whole."""
        async with (
            asyncio.timeout(DEADLINE),
            self._session.post(self.base + path, **options) as got,
        ):
            await got.read()
            return got

    async def ask(
        self, channel: str, path: str = "/broadcasting/auth", *, bearer: str = "", **headers: str
    ) -> ClientResponse:
        """Ask for a channel as pusher-js does; without a bearer token as the user 7 of company 1."""
        bearer = bearer or token(companies=["1"], name="Ann")
        form = {"socket_id": "1.2", "channel_name": channel}
        return await self.post(
            path, data=form, headers={"Authorization": f"Bearer {bearer}"} | headers
        )

    async def preflight(self, path: str, **headers: str) -> ClientResponse:
        """Ask what a page may send."""
        async with (
            asyncio.timeout(DEADLINE),
            self._session.options(self.base + path, headers=headers) as got,
        ):
            await got.read()
            return got


class AwayApps(MemoryApps):
    """Apps that were never read."""

    async def check(self) -> None:
        """See `Apps.check`."""
        raise Unavailable("apps")

    def all(self) -> tuple[App, ...]:
        raise Unavailable("apps")


@asynccontextmanager
async def serving(
    *apps: App,
    settings: AuthSettings | None = None,
    away: bool = False,
    control: Control | None = None,
    tokens: TokenSettings | None = None,
    memberships: Memberships | None = None,
    events: EventLog | None = None,
    policies: Sequence[ChannelPolicy] = POLICIES,
    clock: Callable[[], float] = lambda: NOW,
) -> AsyncIterator[tuple[Client, Auth]]:
    """Serve auth for some apps."""
    settings = settings or AuthSettings(issuers=ISSUERS)
    known = AwayApps(apps) if away else MemoryApps(apps)
    auth = Auth(
        known,
        settings,
        policies=Policies(policies),
        guards=Guards(policies),
        rates=MemoryRates(),
        control=control or MemoryControl(clock),
        memberships=memberships or MemoryMemberships(),
        events=events or MemoryEventLog(),
        ring=KeyRing(tokens or TokenSettings()),
        clock=clock,
    )
    nowhere = (Address("127.0.0.1", 0),)
    server = Server([auth], nowhere, nowhere)
    stop, started = asyncio.Event(), asyncio.Event()
    # Not a task group: a fixture is left by another task than the one that entered it.
    serving = asyncio.create_task(server.serve(stop, started=started.set))
    serving.add_done_callback(lambda _: started.set())
    try:
        await started.wait()
        if server.bound:
            async with ClientSession() as session:
                yield Client(session, f"http://{server.bound.public[0]}"), auth
    finally:
        stop.set()
        async with asyncio.timeout(DEADLINE):
            await serving


async def fields(response: ClientResponse) -> dict[str, Any]:
    """Return the answer to a request that was granted."""
    assert response.status == 200, await response.text()
    assert response.content_type == "application/json"
    answer: dict[str, Any] = await response.json()
    return answer


async def reason(response: ClientResponse) -> str:
    """Return why a request was refused."""
    assert response.content_type == "application/json"
    return str((await response.json())["error"])
