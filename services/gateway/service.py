"""
The gateway: holds clients' sockets, speaks the protocol of each, and fans out what the bus brings.

This is its shell: it accepts connections, keeps the loops running, and drains.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

import structlog
from aiohttp import hdrs, web

from libs.common.apps.app import App
from libs.common.apps.port import Apps
from libs.common.bus.messages import Broadcast, Whisper
from libs.common.bus.port import Bus
from libs.common.channels import Channel
from libs.common.control.port import Control
from libs.common.errors import Denied, Invalid, Unavailable
from libs.common.leases.port import Leases
from libs.common.policies.guards import Guards
from libs.common.roster.port import Roster
from libs.common.tally.port import Subject, Tally
from libs.common.tokens.channel_tokens import StaleToken
from libs.common.web.http import refusal
from libs.common.web.server import caller_of
from services.gateway.access.verifier import Verified, Verifier
from services.gateway.channels.admission import Admission, Departure, Follow, Join
from services.gateway.channels.feed import Feed
from services.gateway.channels.hub import Hub
from services.gateway.channels.occupancy import Occupancy
from services.gateway.channels.whispers import Whispers
from services.gateway.connections.acceptor import Acceptor
from services.gateway.connections.commands import CommandHandler
from services.gateway.connections.connection import Connection, read_out, upgrade
from services.gateway.connections.limiter import ConnectionLimiter
from services.gateway.connections.sign_ins import SignIns
from services.gateway.connections.socket import Socket
from services.gateway.connections.ticker import Ticker
from services.gateway.connections.wrong_paths import WrongPaths
from services.gateway.counters import Counters
from services.gateway.lease import Lease
from services.gateway.protocol import frames
from services.gateway.protocol.frames import Member
from services.gateway.protocol.handshake import WEBSOCKET_VERSION, complaint
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings

log = structlog.get_logger()

SETTLING = 5.0  # Seconds that departures may take before the lease is released without them.
MOST_PARTING = (
    1000  # Clients that are waited for when they were refused; the connections of others are cut.
)
DRAIN_SLICE = 0.1  # Seconds between two handfuls of connections that are sent away.


class GatewayRules(Protocol):
    """What the gateway takes of the rules that may change while it runs."""

    @property
    def guards(self) -> Guards:
        """Return the policies of public channels."""


class Gateway:
    """
    The socket tier.

    Args:
        settings: Limits and timers.
        apps: Whose clients may connect.
        bus: Brings events.
        control: Brings orders.
        leases: Say which gateways live.
        roster: Knows members.
        tally: Knows how many connections all gateways have.
        verifier: What is known of channel tokens.
        cache_ttl: See `Hub`.
        drain_spread: Seconds over which connections are sent away when the gateway drains.
    """

    name = "gateway"

    def __init__(
        self,
        settings: GatewaySettings,
        apps: Apps,
        *,
        bus: Bus,
        leases: Leases,
        roster: Roster,
        tally: Tally,
        control: Control,
        verifier: Verifier,
        cache_ttl: float = 1800.0,
        drain_spread: float = 10.0,
    ) -> None:
        self._settings = settings
        self._apps = apps
        self._verifier = verifier
        self._drain_spread = drain_spread
        self._parting = 0  # Clients that were refused, and have not gone yet.
        self._emptied = asyncio.Event()  # Set when the last connection went; read while draining.
        self._unseated = asyncio.Event()
        self._connections: set[Connection] = set()
        self._hub: Hub[Connection] = Hub(cache_ttl)
        self.counters = Counters()
        self._whispers = Whispers(bus, self.counters)
        self._ticker = Ticker(apps, verifier, longest=settings.activity_timeout)
        self._commands = CommandHandler(control, verifier, informed=self._informed)
        self._count(tally, leases)
        self._follow(bus, roster)

    def _count(self, tally: Tally, leases: Leases) -> None:
        """Make what knows how many clients there are, here and elsewhere."""
        settings = self._settings
        self._lease = Lease(
            leases, ttl=settings.lease_ttl, interval=settings.lease_renew, unseated=self._unseated
        )
        self._limiter = ConnectionLimiter(tally, self._lease, renewal=settings.lease_renew)
        self._occupancy = Occupancy(
            tally, self._hub, lease=self._lease, announced=self._tells_counts
        )
        self._sign_ins = SignIns(self._commands, self._limiter)
        self._acceptor = Acceptor(
            self._apps,
            self._verifier,
            informed=self._commands.heard,
            limiter=self._limiter,
            here=self._connections,
            most=settings.max_connections,
        )

    def _follow(self, bus: Bus, roster: Roster) -> None:
        """Make what brings channels' events and members to who is subscribed."""
        self._feed = Feed(
            bus,
            roster,
            self._hub,
            settings=self._settings,
            counters=self.counters,
            unseated=self._unseated,
            tells_counts=self._tells_counts,
        )
        self._admission = Admission(
            self._feed,
            roster,
            self._hub,
            lease=self._lease,
            occupancy=self._occupancy,
            limit=self._settings.max_waiting,
        )

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Serve ``/app/{key}`` under any prefix, and clients who are elsewhere."""
        return [
            web.get(r"/{prefix:(?:.+/)?}app/{key}", self._connect),
            WrongPaths(self._connect),
        ]

    async def run(self) -> None:
        """Keep the loops running until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._feed.run())
            tasks.create_task(self._admission.run())
            tasks.create_task(self._limiter.run())
            tasks.create_task(self._occupancy.run())
            tasks.create_task(self._whispers.run())
            tasks.create_task(self._commands.run())
            tasks.create_task(self._lease.run())
            tasks.create_task(self._ticker.run())
            tasks.create_task(self._seat_again())

    def health(self) -> dict[str, str]:
        """See `runtime.Service.health`."""
        return {"bus": "ok" if self._feed.is_listening else "away"}

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        """
        Accept a client, whoever it is; one that may not stay learns why before it is closed.

        Every client understands this, while few show the status of a refused upgrade.
        """
        websocket = upgrade(self._settings.max_message)
        try:
            await websocket.prepare(request)
        except (web.HTTPBadRequest, ValueError):  # The latter for a key that is no ASCII.
            return _not_upgraded(request)
        except ConnectionResetError:  # It has gone meanwhile.
            return websocket
        transport = request.transport
        if transport is None:
            return websocket
        socket = Socket(transport, max_unsent=self._settings.max_unsent)
        try:
            app, carried = await self._acceptor.examine(request)
            subjects = await self._acceptor.enter(app, caller_of(request).site)
        except (Invalid, Denied, Unavailable) as error:
            self._refuse(request, socket, error)
            if self._parting < MOST_PARTING:
                await self._part(websocket)
            socket.finish()
            return websocket
        await self._serve(app, socket, websocket, subjects=subjects, carried=carried)
        return websocket

    def _refuse(
        self, request: web.Request, socket: Socket, error: Invalid | Denied | Unavailable
    ) -> None:
        self.counters.refused[error.code] = self.counters.refused.get(error.code, 0) + 1
        log.info(
            "connection.refused",
            path=request.path,
            address=caller_of(request).address,
            code=error.code,
            reason=str(error),
        )
        socket.send(frames.error(error.code, str(error)))
        socket.close(error.code, str(error))

    async def _part(self, websocket: "web.WebSocketResponse[bool]") -> None:
        """Wait until a client that was refused has gone: `Socket.close` aborts the connection in time."""
        self._parting += 1
        try:
            await read_out(websocket)
        finally:
            self._parting -= 1

    async def _serve(
        self,
        app: App,
        socket: Socket,
        websocket: "web.WebSocketResponse[bool]",
        *,
        subjects: tuple[Subject, ...],
        carried: Verified | StaleToken | None,
    ) -> None:
        now = time.monotonic()
        session = Session(
            app, _new_socket_id(), self._settings, now=now, verifier=self._verifier, carried=carried
        )
        connection = Connection(session, socket, self)
        connection.counts_for = subjects
        self._connections.add(connection)
        self._ticker.put(connection)
        self.counters.opened += 1
        try:
            await connection.run(websocket)
        finally:
            self._connections.discard(connection)
            self._ticker.remove(connection)
            self._commands.gone(connection)
            self._limiter.leave(connection.counts_for)
            if not self._connections:
                self._emptied.set()
            code, reason = socket.closed_with or (0, "")
            self.counters.closed[code] = self.counters.closed.get(code, 0) + 1
            log.info(
                "connection.closed",
                app=app.id,
                socket_id=session.socket_id,
                code=code,
                reason=reason,
                seconds=round(time.monotonic() - now, 3),
            )

    def app(self, app_id: str) -> App:
        """See `connection.Surroundings.app`."""
        return self._apps.by_id(app_id)

    def signed_in(self, connection: Connection) -> None:
        """See `connection.Surroundings.signed_in`."""
        self._sign_ins.add(connection)

    def watch(self, connection: Connection) -> None:
        """See `connection.Surroundings.watch`."""
        self._ticker.put(connection)

    def known_as(self, connection: Connection, user_id: str) -> None:
        """See `connection.Surroundings.known_as`."""
        self._commands.known_as(connection, user_id)

    def shows(self, connection: Connection, before: frozenset[str]) -> None:
        """See `connection.Surroundings.shows`."""
        self._commands.shows(connection, before)

    def adopt(self, rules: GatewayRules, /) -> None:
        """
        See `Reloadable.adopt`; who is in a public channel stays.

        The keys of channel tokens were replaced before: what was opened by one that was dropped ends.
        """
        self._verifier.guards = rules.guards
        now = time.monotonic()
        for connection in tuple(self._connections):
            connection.perform(connection.session.judged(now))
            connection.perform(connection.session.informed(now))

    def _informed(self) -> None:
        """Let those go on who waited until it was known what is revoked."""
        now = time.monotonic()
        for connection in tuple(self._connections):
            connection.perform(connection.session.informed(now))

    def _tells_counts(self, app_id: str) -> bool:
        try:
            return self._apps.by_id(app_id).subscription_counts
        except (Denied, Unavailable):
            return False

    def ask(self, connection: Connection, channel: Channel, member: Member | None) -> None:
        """See `connection.Surroundings.ask`."""
        if member is None:
            self._admission.ask(Follow(connection, channel))
        else:
            self._admission.ask(Join(connection, channel, member))

    def leave(self, connection: Connection, channel: Channel, *, returns: bool) -> None:
        """See `connection.Surroundings.leave`."""
        self._hub.unsubscribe(channel, connection, now=time.monotonic())
        self._occupancy.changed(channel)
        if channel.is_presence:
            seat = self._lease.seat(channel, connection.socket_id)
            grace = connection.session.app.leave_grace if returns else 0.0
            self._admission.depart(Departure(seat, grace))

    def relay(self, channel: Channel, frame: bytes, *, socket_id: str) -> None:
        """See `connection.Surroundings.relay`."""
        broadcast = Broadcast(frame, time.time(), excluded=(socket_id,))
        self._whispers.put(Whisper(channel, broadcast))

    async def _seat_again(self) -> None:
        """
        Seat all members anew when the roster may have lost them, or knows us no longer.

        Nobody waits for those whose part of a backend is away, who still wait from the last time.
        """
        while True:
            await self._unseated.wait()
            self._unseated.clear()
            self._restate()  # Of its own, lest the last connection is held until the next time.

    def _restate(self) -> None:
        self._limiter.restate()
        self._occupancy.restate()
        for connection in tuple(self._connections):
            for name, member in connection.session.members():
                channel = Channel(connection.session.app.id, name)
                self._admission.seat_again(Join(connection, channel, member, again=True))

    async def drain(self) -> None:
        """
        Send everybody away, spread over time and in no order, so that they return elsewhere bit by bit.

        Members leave with grace: who returns in time never left.
        """
        self._acceptor.is_closed = True
        leaving = list(self._connections)
        random.shuffle(leaving)
        rounds = max(1, int(self._drain_spread / DRAIN_SLICE))
        size = -(-len(leaving) // rounds) or 1
        for start in range(0, len(leaving), size):
            for connection in leaving[start : start + size]:
                connection.close(4200, "this gateway is going, connect again")
            await asyncio.sleep(DRAIN_SLICE if len(leaving) > size else 0)
        self._emptied.clear()
        if self._connections:
            await self._emptied.wait()
        with suppress(TimeoutError):  # Departures that are left end with the lease.
            async with asyncio.timeout(SETTLING):
                await self._admission.settled()
                await self._occupancy.settled()
                await self._limiter.settled()
        await self._lease.release()


def _not_upgraded(request: web.Request) -> web.Response:
    """Answer in HTTP what is no upgrade (RFC 9110, 15.5.22 asks for ``Upgrade``)."""
    response = refusal(complaint(request.headers))
    response.headers[hdrs.UPGRADE] = "websocket"
    response.headers[hdrs.CONNECTION] = "Upgrade"
    response.headers[hdrs.SEC_WEBSOCKET_VERSION] = WEBSOCKET_VERSION
    return response


def _new_socket_id() -> str:
    """Make a name that is unique among all gateways and cannot be guessed (Pusher: ``digits.digits``)."""
    return f"{secrets.randbits(53)}.{secrets.randbits(53)}"
