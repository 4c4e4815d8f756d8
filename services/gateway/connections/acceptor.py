"""
The way of a client into the gateway: upgraded, and then served or told why not.

Every client is upgraded, whoever it is, and one that may not stay learns why before it is closed:
every client understands that, while few show the status of a refused upgrade.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from logging import DEBUG

import structlog
from aiohttp import hdrs, web

from libs.common.apps.app import App
from libs.common.errors import Denied, Invalid, Unavailable
from libs.common.tokens.channel_tokens import StaleToken
from libs.common.web.entrance import caller_of
from libs.common.web.http import audit_denial, note_refusal, refusal
from services.gateway.access.verifier import Verified, Verifier
from services.gateway.connections.connection import Connection, Surroundings, read_out, upgrade
from services.gateway.connections.eligibility import Eligibility
from services.gateway.connections.registry import Connections
from services.gateway.connections.socket import TOO_SLOW, Socket
from services.gateway.counters import Counters
from services.gateway.protocol import frames
from services.gateway.protocol.handshake import WEBSOCKET_VERSION, complaint
from services.gateway.session.rules import SessionRules
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from services.gateway.timers import TIMERS, Timers

log = structlog.get_logger()

ABNORMAL = 1006  # RFC 6455, 7.1.5: the connection ended without a Close frame.
# Clients that are waited for when they were refused; the connections of others are cut.
MOST_PARTING = 1000

LONGEST = 64  # Characters of what a client says of itself in the log.

WebSocket = web.WebSocketResponse[bool]


class Acceptor:
    """
    Accepts clients.

    Args:
        settings: The limits of a connection.
        eligibility: Judges who may connect.
        verifier: What is known of channel tokens.
        connections: Where a connection is known while it lasts.
        surroundings: What connections are given to work with.
        forget: Called with each connection that has ended.
        counters: What is counted.
        rules: What holds for all sessions; whoever replaces what is in them sees to the rest.
        timers: How long a closing connection has.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        eligibility: Eligibility,
        *,
        verifier: Verifier,
        connections: Connections,
        surroundings: Surroundings,
        forget: Sequence[Callable[[Connection], None]],
        counters: Counters,
        rules: SessionRules,
        timers: Timers = TIMERS,
    ) -> None:
        self._settings = settings
        self._eligibility = eligibility
        self._verifier = verifier
        self._connections = connections
        self._surroundings = surroundings
        self._forget = forget
        self._counters = counters
        self._rules = rules
        self._timers = timers
        self._log = log.bind()  # Found anew for each line, a logger takes two microseconds.
        self._parting = 0  # Clients that were refused, and have not gone yet.

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """Upgrade a client, and serve it until it goes, or tell it why not."""
        websocket = upgrade(self._settings.max_message)
        try:
            await websocket.prepare(request)
        except (web.HTTPBadRequest, ValueError):  # The latter for a key that is no ASCII.
            return _not_upgraded(request)
        except ConnectionResetError:  # It has gone meanwhile.
            return websocket
        if request.transport is None:
            return websocket
        socket = Socket(
            request.transport, max_unsent=self._settings.max_unsent, timers=self._timers
        )
        connection = await self._let_in(request, socket)
        if connection is None:
            await self._part(websocket, socket)
        else:
            await self._serve(connection, websocket)
        return websocket

    async def _let_in(self, request: web.Request, socket: Socket) -> Connection | None:
        """Make a connection for a client that may stay; tell any other why not."""
        try:
            app, carried = await self._eligibility.examine(request)
            site = caller_of(request).site
            subjects = await self._eligibility.enter(app, site, socket=socket)
        except (Invalid, Denied, Unavailable) as error:
            self._refuse(request, socket, error)
            return None
        connection = Connection(self._session(app, carried), socket, self._surroundings)
        connection.counts_for = subjects
        if self._log.is_enabled_for(DEBUG):
            address = caller_of(request).address
            self._log.debug(
                "connection.opened",
                app=app.id,
                socket_id=connection.socket_id,
                address=address,
                client=request.query.get("client", "")[:LONGEST],
                version=request.query.get("version", "")[:LONGEST],
            )
        return connection

    def _refuse(
        self, request: web.Request, socket: Socket, error: Invalid | Denied | Unavailable
    ) -> None:
        refused = self._counters.refused
        refused[error.code] = refused.get(error.code, 0) + 1
        log.info(
            "connection.refused",
            path=request.path,
            address=caller_of(request).address,
            code=error.code,
            reason=str(error),
        )
        audit_denial(request, error)
        socket.send(frames.error(error.code, str(error)))
        socket.close(error.code, str(error))

    async def _part(self, websocket: WebSocket, socket: Socket) -> None:
        """Wait until a client that was refused has gone: `Socket.close` aborts it in time."""
        if self._parting < MOST_PARTING:
            self._parting += 1
            try:
                await read_out(websocket)
            finally:
                self._parting -= 1
        socket.finish()

    def _session(self, app: App, carried: Verified | StaleToken | None) -> Session:
        return Session(
            app,
            _new_socket_id(),
            self._settings,
            now=time.monotonic(),
            verifier=self._verifier,
            carried=carried,
            rules=self._rules,
        )

    async def _serve(self, connection: Connection, websocket: WebSocket) -> None:
        began = time.monotonic()
        self._connections.add(connection)
        self._surroundings.watch(connection)
        self._counters.opened += 1
        try:
            await connection.run(websocket)
        finally:
            self._connections.remove(connection)
            for forget in self._forget:
                forget(connection)
            self._eligibility.leave(connection.counts_for)
            self._note_end(connection, seconds=time.monotonic() - began)

    def _note_end(self, connection: Connection, *, seconds: float) -> None:
        code, reason = connection.socket.closed_with or (0, "no Close frame came")
        self._counters.closed[code] = self._counters.closed.get(code, 0) + 1
        self._counters.slow += (code, reason) == TOO_SLOW
        log.info(
            "connection.closed",
            app=connection.session.app.id,
            socket_id=connection.socket_id,
            by=connection.ended_by,
            code=code or ABNORMAL,
            reason=reason,
            seconds=round(seconds, 3),
        )


def _not_upgraded(request: web.Request) -> web.Response:
    """Answer in HTTP what is no upgrade (RFC 9110, 15.5.22 asks for ``Upgrade``)."""
    error = complaint(request.headers)
    note_refusal(request, error)
    response = refusal(error)
    response.headers[hdrs.UPGRADE] = "websocket"
    response.headers[hdrs.CONNECTION] = "Upgrade"
    response.headers[hdrs.SEC_WEBSOCKET_VERSION] = WEBSOCKET_VERSION
    return response


def _new_socket_id() -> str:
    """Make a name that no gateway gives twice and nobody can guess (Pusher: ``digits.digits``)."""
    return f"{secrets.randbits(53)}.{secrets.randbits(53)}"
