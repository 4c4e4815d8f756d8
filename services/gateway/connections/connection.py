"""
One connection: read what its client sends, and perform what its session answers.

A connection has one reader, `Connection.run`; anything in the gateway may write to its socket,
because writing never waits.  It holds no rules.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog
from aiohttp import WebSocketError, WSMsgType, web

from libs.common.apps.app import App
from libs.common.channels import Channel
from libs.common.errors import Denied
from libs.common.rates.limited import note_limited
from libs.common.tally.port import Subject
from libs.common.telemetry.audit import audit_log
from services.gateway.connections.socket import Socket
from services.gateway.counters import Counters
from services.gateway.frame_log import FrameLog
from services.gateway.protocol import frames
from services.gateway.protocol.effects import (
    DENIED,
    Ask,
    Away,
    BelongsTo,
    Close,
    Effect,
    HasRead,
    HasSent,
    Known,
    KnownAs,
    Leave,
    Ping,
    Refuse,
    Relay,
    Send,
    Shows,
    SignedIn,
    Types,
    UserWord,
    Watch,
    WatchUsers,
)
from services.gateway.protocol.keepalive import PONG_NOT_RECEIVED
from services.gateway.session.session import Session

log = structlog.get_logger()

# Characters of a channel's name in the log: it may be anything that a client sent.
LONGEST = 200

_TEXT = WSMsgType.TEXT.name.lower()
_ENDS = {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}
_BINARY = frames.error(4300, "binary frames are not supported")


def upgrade(max_message: int) -> "web.WebSocketResponse[bool]":
    """Make a WebSocket that leaves pings and closes to a `Connection`, and reads bytes."""
    return web.WebSocketResponse(
        compress=False,
        autoping=False,
        autoclose=False,
        max_msg_size=max_message + 1,  # aiohttp refuses what has this size.
        decode_text=False,
    )


async def read_out(websocket: web.WebSocketResponse[bool]) -> None:
    """
    Read what a client still says until it goes, and drop it.

    A connection that is closed while there is something to read is reset, and what was written last
    is lost (RFC 9293, 3.6): such as why the client was refused.
    """
    while (await websocket.receive()).type not in _ENDS:
        pass


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    Who in the gateway does what a session wants done; nobody waits.

    Attributes:
        app: Returns an app as it is now, by its id; raises Denied if it is switched off or gone.
        ask: Finds out whether a connection may join a channel, and tells its session, then or
            later.
        leave: Takes a connection off a channel.
        relay: Passes a client event on to all but the connection that sent it.
        told: Knows what a client says of its user: that it types, has sent, or has read.
        signed_in: Knows as whom a connection is signed in: its session says so.
        known_as: Knows a user, by id, for whom a connection acts in some channel.
        shows: Knows by which tokens a connection acts: its session says so; given are those until
            now, by ``jti``.
        belongs: Knows whose a connection is.
        turned: Knows that a connection's user is away, or is back.
        watch_users: Tells a connection of users who come online and go offline.
        watch: Looks at a connection when its session says so.
        counters: What is counted.
        frames: Shows frames in the log, while an operator wants to see them.
    """

    app: Callable[[str], App]
    ask: Callable[["Connection", Ask], None]
    leave: Callable[["Connection", Leave], None]
    relay: Callable[["Connection", Relay], None]
    told: Callable[["Connection", UserWord], None]
    signed_in: Callable[["Connection"], None]
    known_as: Callable[["Connection", str], None]
    shows: Callable[["Connection", frozenset[str]], None]
    belongs: Callable[["Connection", BelongsTo], None]
    turned: Callable[["Connection", Away], None]
    watch_users: Callable[["Connection", WatchUsers], None]
    watch: Callable[["Connection"], None]
    counters: Counters = field(default_factory=Counters)
    frames: FrameLog = field(default_factory=FrameLog)


class Connection:
    """
    A client's connection.

    Attributes:
        session: The protocol of this connection.
        socket: The writing side of the connection.
        is_open: Whether the client can still be read from.
        counts_for: What its gateway counts it for; see `quotas`.
    """

    __slots__ = ("_is_left", "_surroundings", "counts_for", "is_open", "session", "socket")

    def __init__(self, session: Session, socket: Socket, surroundings: Surroundings) -> None:
        self.session = session
        self.socket = socket
        self.is_open = True
        self._is_left = False  # Whether the client was the first to send a Close frame.
        self.counts_for: tuple[Subject, ...] = ()
        self._surroundings = surroundings

    @property
    def socket_id(self) -> str:
        """The connection's name."""
        return self.session.socket_id

    @property
    def ended_by(self) -> str:
        """
        Who ended the connection, once it has ended.

        ``client`` and ``gateway`` sent a Close frame, first; ``silence``: so did the gateway, as
        the client did not answer; ``network``: the connection broke off, without one.
        """
        if self._is_left:
            return "client"
        if self.socket.closed_with is None:
            return "network"
        return "silence" if self.socket.closed_with[0] == PONG_NOT_RECEIVED.code else "gateway"

    def channel(self, name: str) -> Channel:
        """Name a channel of its app."""
        return Channel(self.session.app.id, name)

    async def run(self, websocket: web.WebSocketResponse[bool]) -> None:
        """Greet the client, and serve it until it goes or is sent away."""
        try:
            self.perform(self.session.opened())
            while await self._read(websocket):
                pass
        finally:
            self.is_open = False
            self.perform(self.session.closed())
            self.socket.finish()

    async def _read(self, websocket: web.WebSocketResponse[bool]) -> bool:
        """Take one frame; tell whether there may be more."""
        message = await websocket.receive()
        now = time.monotonic()
        if message.type is WSMsgType.TEXT:
            return self._take(message.data, now)
        if message.type in _ENDS:
            self._note_end(message.data)
            return False
        self._count(message.type.name.lower(), message.data)
        self.session.heard(now)
        if message.type is WSMsgType.PING:
            self.socket.pong(message.data)
        elif message.type is WSMsgType.BINARY:
            self.send(_BINARY)
        return True

    def _take(self, text: bytes, now: float) -> bool:
        """
        Take a text frame; tell whether there may be more.

        Not after what is no text (RFC 6455, 8.1).
        """
        self._count(_TEXT, text)
        if not _is_utf8(text):
            self.socket.close(1007, "the text is not UTF-8")
            return False
        frames = self._surroundings.frames
        if frames.is_on:
            frames.received(self.session.app.id, self.socket_id, text)
        if self.refresh():
            self.perform(self.session.received(text, now))
        return True

    def _count(self, kind: str, payload: bytes) -> None:
        counters = self._surroundings.counters
        counters.received[kind] = counters.received.get(kind, 0) + 1
        counters.received_bytes += len(payload)

    def refresh(self) -> bool:
        """
        Take the app as it is now: secrets and switches change while clients are connected.

        Returns:
            Whether the app is still there for the client; else the connection is closed.
        """
        try:
            self.session.app = self._surroundings.app(self.session.app.id)
        except Denied as error:
            self.close(error.code, str(error))
            return False
        return True

    def _note_end(self, data: object) -> None:
        """Answer a Close frame, or note how aiohttp answered what is no WebSocket frame."""
        if isinstance(data, WebSocketError):
            self.socket.close(data.code, str(data))
        elif isinstance(data, int):
            self._is_left = self.socket.closed_with is None
            self.socket.close(_echoed(data), "closed by the client")

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do what the session answered, in order."""
        for effect in effects:
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Send(frame, limit):
                self._send(frame)
                if limit:
                    note_limited(limit)
            case Refuse():
                self._refuse(effect)
            case Ask():
                self._surroundings.ask(self, effect)
            case Leave():
                self._surroundings.leave(self, effect)
            case Relay():
                self._surroundings.relay(self, effect)
            case Watch():
                self._surroundings.watch(self)
            case Ping():
                self.socket.ping()
            case Close(code, reason):
                self.close(code, reason)
            case _:
                self._make_known(effect)

    def _send(self, payload: bytes) -> None:
        self._surroundings.counters.answers += 1
        self._surroundings.counters.sent_bytes += len(payload)
        self.send(payload)

    def send(self, payload: bytes) -> None:
        """Write a text frame for this client alone; see `Socket.write`."""
        frames = self._surroundings.frames
        if frames.is_on:
            frames.answered(self.session.app.id, self.socket_id, payload)
        self.socket.send(payload)

    def _refuse(self, effect: Refuse) -> None:
        self._send(effect.frame)
        user, refusal = self.session.user, effect.refusal
        refused = self._surroundings.counters.subscribes_refused
        refused[refusal.status] = refused.get(refusal.status, 0) + 1
        if refusal.limit:
            note_limited(refusal.limit)
        log.info(
            "subscribe.refused",
            app=self.session.app.id,
            socket_id=self.socket_id,
            user=user.id if user else "",
            channel=effect.channel[:LONGEST],
            status=refusal.status,
            reason=refusal.detail or refusal.message,
            hint=refusal.hint,
        )
        if refusal.kind == DENIED:
            audit_log.info(
                "audit.subscribe_denied",
                app=self.session.app.id,
                user=user.id if user else "",
                channel=effect.channel[:LONGEST],
                status=refusal.status,
                reason=refusal.detail or refusal.message,
                pace_by=refusal.status,
            )

    def _make_known(self, effect: Known | UserWord) -> None:
        match effect:
            case Types() | HasSent() | HasRead():
                self._surroundings.told(self, effect)
            case SignedIn():
                self._surroundings.signed_in(self)
            case KnownAs(user_id):
                self._surroundings.known_as(self, user_id)
            case Shows(before):
                self._surroundings.shows(self, before)
            case BelongsTo():
                self._surroundings.belongs(self, effect)
            case Away():
                self._surroundings.turned(self, effect)
            case WatchUsers():
                self._surroundings.watch_users(self, effect)

    def close(self, code: int, reason: str) -> None:
        """Say why in a ``pusher:error``, and close with the same code."""
        self._send(frames.error(code, reason))
        self.socket.close(code, reason)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _echoed(code: int) -> int:
    """
    Return the code to answer a Close frame with (RFC 6455, 5.5.1 and 7.4).

    Args:
        code: As aiohttp has it: 0 if there was none; it refuses codes that no frame may have, but
            for these.
    """
    if code == 0:
        return 1000
    return code if code < 5000 and code != 1006 else 1002
