"""A gateway on faulty ports in memory, behind a real server, and clients of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientResponse, ClientSession, TCPConnector, web_app

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.apps.memory import MemoryApps
from libs.common.apps.port import Apps
from libs.common.bus.messages import Broadcast, Publication, event_frame
from libs.common.channels import Channel
from libs.common.config.address import Address
from libs.common.config.secret import Secret
from libs.common.control.memory import MemoryControl
from libs.common.control.port import Control
from libs.common.lifecycle.memory import MemoryLifecycle
from libs.common.lifecycle.port import Wanted
from libs.common.policies.selections import ReceiptRule, SelectedChannels
from libs.common.policies.settings import ChannelPolicy
from libs.common.web.certificates import Certificate
from libs.common.web.door.limits import LIMITS, DoorLimits
from libs.common.web.proxies import Proxies
from libs.common.web.server import Schedule, Server, Service
from services.gateway.memory.holdings import Holdings
from services.gateway.service import Gateway
from services.gateway.session.rules import SessionRules
from services.gateway.settings import GatewaySettings
from services.gateway.timers import Timers
from services.presence.service import Presence
from services.presence.settings import PresenceSettings
from tests.support.clients.client import Client
from tests.support.deadline import DEADLINE
from tests.support.fakes.faults import FaultyBus, FaultyRoster
from tests.support.fakes.tallies import FaultyTally
from tests.support.fakes.typists import FaultyTypists, faulty_typists
from tests.support.ports.rosters import everything
from tests.support.servers import Certificates
from tests.support.services.presence import make_presence
from tests.support.serving import serving
from tests.support.tokens.channel_tokens import verifier

APP = App(
    id="1",
    key="app-key",
    secrets=(Secret("app-secret"),),
    client_events=True,
    leave_grace=0.05,
    limits=Limits(members=3),
)
POLL = 0.02  # Seconds.
# Gateways of tests look after things often, so that nobody waits for them.
QUICK = Timers(
    poll=POLL,
    tick=POLL,
    drain_slice=POLL,
    gathering=POLL,
    reading=POLL,
    retry_longest=5 * POLL,
    lease_retry=5 * POLL,
)
LOOPBACK = (Address("127.0.0.1", 0),)


class Place:
    """
    A gateway that is served.

    Attributes:
        gateway: The service.
        bus: What it listens to.
        roster: Where it seats members.
        tally: Where it counts connections.
        typists: Whom it tells who types.
        presence: Sweeps the roster.
        port: Where clients come.
        scheme: How: ``http``, or ``https`` where it has a certificate.
    """

    def __init__(
        self,
        gateway: Gateway,
        bus: FaultyBus,
        roster: FaultyRoster,
        *,
        tally: FaultyTally,
        typists: FaultyTypists,
        presence: Presence,
        http: ClientSession,
    ) -> None:
        self.gateway = gateway
        self.bus = bus
        self.roster = roster
        self.tally = tally
        self.typists = typists
        self.presence = presence
        self.port = 0
        self.scheme = "http"
        self._http = http

    def found_at(self, server: Server) -> None:
        """Know where and how it is served, once it is."""
        assert server.bound is not None
        self.port = server.bound.public[0].port
        self.scheme = "https" if server.certificate else "http"

    def heal(self) -> None:
        """End all faults, so that it can end in order."""
        self.bus.is_away = self.tally.is_away = self.roster.is_away = False
        self.typists.is_away = False
        self.typists.away_for.clear()
        self.roster.loses_answers = False
        self.roster.away_for.clear()
        self.bus.follows.set()
        self.bus.whispers.set()
        self.roster.answers.set()

    @property
    def url(self) -> str:
        """Where clients come."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def open(
        self,
        path: str = "/app/app-key?protocol=7",
        *,
        app: App = APP,
        autoping: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Client:
        """Connect, and read nothing yet."""
        connecting = self._http.ws_connect(self.url + path, autoping=autoping, headers=headers)
        async with asyncio.timeout(DEADLINE):
            return Client(await connecting, app)

    async def connect(
        self,
        path: str = "/app/app-key?protocol=7",
        *,
        app: App = APP,
        headers: Mapping[str, str] | None = None,
    ) -> Client:
        """Connect, and be greeted."""
        client = await self.open(path, app=app, headers=headers)
        await client.greeted()
        return client

    async def join(self, *channels: str, user: str = "") -> Client:
        """Connect, and subscribe to channels, as this user where they have members."""
        client = await self.connect()
        for channel in channels:
            await client.subscribe(channel, user=user)
        return client

    async def get(self, path: str) -> int:
        """Ask by plain HTTP, and return the status."""
        return (await self.ask(path)).status

    async def ask(
        self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> ClientResponse:
        """Ask by plain HTTP, and read the answer whole."""
        async with (
            asyncio.timeout(DEADLINE),
            self._http.request(method, self.url + path, headers=headers) as response,
        ):
            await response.read()
            return response

    async def publish(
        self, channel: str, *data: str, event: str = "news", excluded: Iterable[str] = ()
    ) -> None:
        """Publish events, all in one go."""
        await self.bus.publish([publication(channel, text, event, excluded) for text in data])


def publication(
    channel: str, data: str, event: str = "news", excluded: Iterable[str] = ()
) -> Publication:
    """Make an event of the app."""
    broadcast = Broadcast(event_frame(channel, event, data), 0.0, tuple(excluded))
    return Publication(Channel(APP.id, channel), broadcast)


@asynccontextmanager
async def place(
    *,
    bus: FaultyBus | None = None,
    roster: FaultyRoster | None = None,
    tally: FaultyTally | None = None,
    typists: FaultyTypists | None = None,
    lease_grace: float = DEADLINE,
    certificates: Certificates | None = None,
    proxies: Proxies | None = None,
    limits: DoorLimits = LIMITS,
    **others: Any,
) -> AsyncIterator[Place]:
    """
    Serve a gateway, and presence, which sweeps its roster.

    Args:
        bus: To share it between gateways.
        roster: So too.
        tally: So too, with the roster.
        typists: So too.
        lease_grace: See `PresenceSettings`.
        certificates: To speak TLS.
        proxies: Whose word about clients is taken.
        limits: What a connection may take until its request is known.
        others: See `_gateway`.
    """
    bus = bus or FaultyBus()
    roster = roster or FaultyRoster(bus)
    tally = tally or FaultyTally(bus, roster.inner_leases)
    typists = typists or faulty_typists(bus, roster)
    gateway = _gateway(bus, roster, tally=tally, typists=typists, **others)
    presence = make_presence(
        PresenceSettings(lease_grace=lease_grace, sweep_interval=0.05),
        roster=roster,
        leases=roster,
    )
    server = _server([presence, gateway], certificates, proxies, limits=limits)
    trust = TCPConnector(ssl=certificates.client_context() if certificates else True)
    async with ClientSession(connector=trust) as http, _served(server):
        here = Place(
            gateway, bus, roster, tally=tally, typists=typists, presence=presence, http=http
        )
        here.found_at(server)
        try:
            yield here
        finally:
            await http.close()
            here.heal()


def _gateway(
    bus: FaultyBus,
    roster: FaultyRoster,
    *,
    tally: FaultyTally,
    typists: FaultyTypists,
    apps: Apps | None = None,
    control: Control | None = None,
    drain_spread: float = 0.0,
    rules: SessionRules | None = None,
    away_after: float = 0.0,
    typing_ttl: float = 0.0,
    receipts: Sequence[str] = (),
    token_grace: float = 30.0,
    guards: Sequence[ChannelPolicy] = (),
    message_timeout: float = 30.0,
    memory: int = 0,
    timers: Timers = QUICK,
    lifecycle: MemoryLifecycle | None = None,
    wanted: Wanted = everything,
    **settings: Any,
) -> Gateway:
    """
    Make a gateway.

    Args:
        bus: What it listens to.
        roster: Where it seats members and takes leases.
        tally: Where it counts connections.
        typists: Whom it tells who types.
        apps: Instead of `APP` alone.
        control: To give commands.
        drain_spread: See `Gateway`.
        rules: What holds for its clients; by default nobody ever types.
        away_after: See `SessionRules`; where those are not given.
        typing_ttl: So too.
        receipts: So too: patterns of channels.
        token_grace: Seconds for which what a token opened outlives it.
        guards: Policies of public channels.
        message_timeout: See `Gateway`.
        memory: Bytes that it has; 0: any number.
        timers: How often it looks after things.
        lifecycle: Where it records client events and empty caches; None: where nobody looks.
        wanted: Which of them.
        settings: Of the gateway.
    """
    limits = GatewaySettings(**settings)
    return Gateway(
        limits,
        apps or MemoryApps([APP]),
        bus=bus,
        leases=roster,
        roster=roster,
        tally=tally,
        verifier=verifier(*guards, grace=token_grace, informed=False),
        control=control or MemoryControl(),
        lifecycle=lifecycle or MemoryLifecycle(),
        wanted=wanted,
        typists=typists,
        session_rules=rules or _rules(away_after, typing_ttl, receipts),
        message_timeout=message_timeout,
        holdings=Holdings.within(memory, limits.memory_soft, limits.memory_hard),
        drain_spread=drain_spread,
        timers=timers,
    )


def _rules(away_after: float, typing_ttl: float, receipts: Sequence[str]) -> SessionRules:
    selected = [ReceiptRule(pattern=pattern, app=APP.id) for pattern in receipts]
    return SessionRules(away_after, typing_ttl, receipts=SelectedChannels(selected))


def _server(
    services: Sequence[Service],
    certificates: Certificates | None,
    proxies: Proxies | None,
    *,
    limits: DoorLimits,
) -> Server:
    """Make a server on loopback, which may speak TLS."""
    shown = Certificate(certificates.certificate, certificates.key) if certificates else None
    return Server(
        services,
        LOOPBACK,
        LOOPBACK,
        Schedule(drain_timeout=2.0),
        certificate=shown,
        proxies=proxies or Proxies(),
        limits=limits,
    )


@asynccontextmanager
async def _served(server: Server) -> AsyncIterator[None]:
    try:
        async with serving(server):
            yield
    finally:
        # aiohttp keeps the handlers of many applications, and with them all that waited in a gateway at its end.
        web_app._cached_build_middleware.cache_clear()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what no event tells."""
    try:
        async with asyncio.timeout(DEADLINE):
            while not holds():
                await asyncio.sleep(POLL / 2)
    except TimeoutError:
        raise AssertionError("not in time") from None
