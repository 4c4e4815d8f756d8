"""
The way of a client into the gateway: upgraded, and then served or told why not.

Every client is upgraded, whoever it is, and one that may not stay learns why before it is closed:
every client understands that, while few show the status of a refused upgrade.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from logging import DEBUG

import structlog
from aiohttp import hdrs, web

from libs.common.apps.app import App
from libs.common.errors import Denied, Invalid, Unavailable, kind_of_refusal
from libs.common.rates.limited import note_limited
from libs.common.tally.port import Subject
from libs.common.tokens.channel_tokens import StaleToken
from libs.common.web.door.short_request import ShortRequest
from libs.common.web.entrance import caller_of
from libs.common.web.http import audit_denial, note_refusal, refusal
from services.gateway.access.verifier import NotInformed, Verified, Verifier
from services.gateway.connections.connection import Connection, Surroundings
from services.gateway.connections.eligibility import Answer, Eligibility
from services.gateway.connections.newcomer import Newcomer, Parting
from services.gateway.connections.registry import Connections
from services.gateway.connections.socket import TOO_SLOW, Socket, frame
from services.gateway.counters import Counters
from services.gateway.memory.holdings import UNBOUNDED, Holdings
from services.gateway.protocol import frames
from services.gateway.protocol.handshake import WEBSOCKET_VERSION, complaint
from services.gateway.session.rules import SessionRules
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from services.gateway.timers import TIMERS, Timers

log = structlog.get_logger()

OWN_CODES = 3000  # The first of the codes that clients may make up (RFC 6455, 7.4.2).
ABNORMAL = 1006  # RFC 6455, 7.1.5: the connection ended without a Close frame.
# Clients that are waited for when they were refused; the connections of others are cut.
MOST_PARTING = 1000


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
        holdings: Counts what is kept for all clients.
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
        holdings: Holdings = UNBOUNDED,
        timers: Timers = TIMERS,
    ) -> None:
        self._settings = settings
        self._eligibility = eligibility
        self._verifier = verifier
        self._connections = connections
        self._surroundings = replace(surroundings, ended=self._ended)
        self._forget = forget
        self._counters = counters
        self._rules = rules
        self._holdings = holdings
        self._timers = timers
        self._log = log.bind()  # Found anew for each line, a logger takes two microseconds.
        self._waiting: set[asyncio.Task[None]] = set()
        self._parting: set[Parting] = set()  # Clients that were refused, and have not gone yet.

    def is_full(self) -> bool:
        """Tell whether nobody can be let in, as too much is kept for those who are here."""
        if self._holdings.is_full:
            note_limited("memory_hard")
        return self._holdings.is_full

    def upgraded(
        self, request: ShortRequest, transport: asyncio.Transport, *, answer: bytes, rest: bytes
    ) -> None:
        """Upgrade a client, and serve it until it goes, or tell it why not."""
        socket = Socket(
            transport,
            max_unsent=self._settings.max_unsent_unknown,
            timers=self._timers,
            holdings=self._holdings,
        )
        newcomer = Newcomer(request, socket, answer=answer, rest=rest)
        transport.set_protocol(newcomer)
        try:
            self._examine(newcomer)
        except NotInformed:
            newcomer.pause()
            self._later(self._wait_informed(newcomer))
        except (Invalid, Denied, Unavailable) as error:
            self._refuse(newcomer, error)

    async def refuse(self, request: web.Request) -> web.StreamResponse:
        """Answer in HTTP what is no upgrade (RFC 9110, 15.5.22 asks for ``Upgrade``)."""
        error = complaint(request.headers)
        note_refusal(request, error)
        response = refusal(error)
        response.headers[hdrs.UPGRADE] = "websocket"
        response.headers[hdrs.CONNECTION] = "Upgrade"
        response.headers[hdrs.SEC_WEBSOCKET_VERSION] = WEBSOCKET_VERSION
        return response

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _wait_informed(self, newcomer: Newcomer) -> None:
        """Examine a client with a token again once it is known what is revoked, or late."""
        await self._eligibility.informed()
        try:
            if not newcomer.is_gone:
                self._examine(newcomer)
        except (Invalid, Denied, Unavailable) as error:
            self._refuse(newcomer, error)
        except Exception:
            newcomer.socket.transport.abort()
            raise

    def _examine(self, newcomer: Newcomer) -> None:
        """Find out whether a client may stay; raises why it may not."""
        app, carried = self._eligibility.examine(newcomer.request)
        entering = self._eligibility.enter(
            app,
            caller_of(newcomer.request).site,
            socket=newcomer.socket,
            answer=partial(self._judged, newcomer, app, carried),
        )
        if entering is not None:
            newcomer.wait_for(entering)

    def _judged(
        self,
        newcomer: Newcomer,
        app: App,
        carried: Verified | StaleToken | None,
        admitted: Answer,
    ) -> None:
        """Take an answer; a client with which that fails is cut off, and no other suffers."""
        try:
            if isinstance(admitted, tuple):
                self._let_in(newcomer, self._session(app, carried), subjects=admitted)
            else:
                self._refuse(newcomer, admitted)
        except Exception as error:  # noqa: BLE001 - as asyncio does where a protocol fails.
            newcomer.socket.transport.abort()
            context = {"message": "a client could not be answered", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    def _let_in(
        self, newcomer: Newcomer, session: Session, *, subjects: tuple[Subject, ...]
    ) -> None:
        """Make a connection for a client that may stay."""
        connection = Connection(
            session,
            newcomer.socket,
            self._surroundings,
            max_message=self._settings.max_message,
        )
        connection.counts_for = subjects
        self._connections.add(connection)
        newcomer.become(connection)
        newcomer.socket.max_unsent = self._settings.unsent(session.app, is_known=session.is_known)
        self._surroundings.watch(connection)
        self._counters.opened += 1
        if self._log.is_enabled_for(DEBUG):
            self._note_opened(newcomer.request, connection)
        connection.begin(newcomer.upgrade(), rest=newcomer.rest)

    def _note_opened(self, request: ShortRequest, connection: Connection) -> None:
        self._log.debug(
            "connection.opened",
            app=connection.session.app.id,
            socket_id=connection.socket_id,
            address=caller_of(request).address,
            origin=request.headers.get("Origin", ""),
            client=request.query.get("client", ""),
            version=request.query.get("version", ""),
        )

    def _refuse(self, newcomer: Newcomer, error: Invalid | Denied | Unavailable) -> None:
        request, refused = newcomer.request, self._counters.refused
        refused[error.code] = refused.get(error.code, 0) + 1
        log.info(
            "connection.refused",
            path=request.path,
            address=caller_of(request).address,
            code=error.code,
            reason=str(error),
            pace_by=kind_of_refusal(error),
        )
        audit_denial(request, error)
        told = frame(frames.error(error.code, str(error)))
        newcomer.socket.write(newcomer.upgrade() + told)
        newcomer.socket.close(error.code, str(error))
        self._part(newcomer)

    def _part(self, newcomer: Newcomer) -> None:
        """Wait until a client that was refused has gone: `Socket.close` aborts it in time."""
        if len(self._parting) >= MOST_PARTING:
            newcomer.socket.finish()
            return
        parting = Parting(newcomer.socket, self._parting.discard)
        self._parting.add(parting)
        newcomer.become(parting)
        parting.data_received(newcomer.rest)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Cut off whoever is still here when the context ends."""
        try:
            yield
        finally:
            for task in self._waiting:
                task.cancel()
            for one in (*self._connections, *self._parting):
                one.socket.transport.abort()

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

    def _ended(self, connection: Connection) -> None:
        """Know a connection no longer."""
        self._connections.remove(connection)
        for forget in self._forget:
            forget(connection)
        self._eligibility.leave(connection.counts_for)
        self._note_end(connection, seconds=time.monotonic() - connection.opened_at)

    def _note_end(self, connection: Connection, *, seconds: float) -> None:
        code, reason = connection.socket.closed_with or (0, "no Close frame came")
        by = connection.ended_by
        counted = min(code, OWN_CODES) if by == "client" else code
        self._counters.closed[counted] = self._counters.closed.get(counted, 0) + 1
        self._counters.slow += (code, reason) == TOO_SLOW
        log.info(
            "connection.closed",
            app=connection.session.app.id,
            socket_id=connection.socket_id,
            by=by,
            code=code or ABNORMAL,
            reason=reason,
            seconds=round(seconds, 3),
            # Only of these codes the reasons are a few of ours.
            pace_by=reason if code > OWN_CODES and by != "client" else f"{by} {counted}",
        )


def _new_socket_id() -> str:
    """Make a name that no gateway gives twice and nobody can guess (Pusher: ``digits.digits``)."""
    return f"{secrets.randbits(53)}.{secrets.randbits(53)}"
