"""
One connection: read what its client sends, and perform what its session answers.

It has no task: the event loop calls it with the bytes that came, and the intake when it is its turn
to have them worked on.  Anything in the gateway may write to its socket, because writing never
waits.  It holds no rules.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from libs.common.apps.app import App
from libs.common.channels import Channel
from libs.common.errors import Denied
from libs.common.rates.limited import note_limited
from libs.common.tally.port import Subject
from libs.common.telemetry.audit import audit_log
from libs.common.web.door.farewell import let_go
from services.gateway.connections.socket import Socket
from services.gateway.counters import Counters
from services.gateway.frame_log import FrameLog
from services.gateway.intake.intake import Intake, resume
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
    Withdraw,
)
from services.gateway.protocol.keepalive import PONG_NOT_RECEIVED
from services.gateway.protocol.limits import OVER_CAPACITY
from services.gateway.protocol.reader import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    Violation,
)
from services.gateway.session.session import Session

log = structlog.get_logger()

_NAMES = {TEXT: "text", BINARY: "binary", PING: "ping", PONG: "pong"}  # Of what is counted.
_BINARY = frames.error(4300, "binary frames are not supported")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    Who in the gateway does what a session wants done; nobody waits.

    Attributes:
        app: Returns an app as it is now, by its id; raises Denied if it is switched off or gone.
        ask: Finds out whether a connection may join a channel, and tells its session some time.
        withdraw: Has a connection wait no more until it may be found out.
        leave: Takes a connection off a channel.
        relay: Passes a client event on to all but the connection that sent it.
        told: Knows what a client says of its user: that it types, has sent, or has read.
        signed_in: Knows as whom a connection is signed in: its session says so.
        known_as: Knows a user, by id, for whom a connection acts in some channel.
        shows: Knows by which tokens a connection acts: its session says so; given is what changes.
        belongs: Knows whose a connection is.
        turned: Knows that a connection's user is away, or is back.
        watch_users: Tells a connection of users who come online and go offline.
        watch: Looks at a connection when its session says so.
        ended: Knows a connection no longer: it is over.
        counters: What is counted.
        frames: Shows frames in the log, while an operator wants to see them.
        intake: Says when to work on what connections have read.
        max_unsent: Bytes that may wait for a client that is known; see `GatewaySettings`.
    """

    app: Callable[[str], App]
    ask: Callable[["Connection", Ask], None]
    withdraw: Callable[["Connection", Withdraw], None]
    leave: Callable[["Connection", Leave], None]
    relay: Callable[["Connection", Relay], None]
    told: Callable[["Connection", UserWord], None]
    signed_in: Callable[["Connection"], None]
    known_as: Callable[["Connection", str], None]
    shows: Callable[["Connection", Shows], None]
    belongs: Callable[["Connection", BelongsTo], None]
    turned: Callable[["Connection", Away], None]
    watch_users: Callable[["Connection", WatchUsers], None]
    watch: Callable[["Connection"], None]
    ended: Callable[["Connection"], None] = lambda _: None
    counters: Counters = field(default_factory=Counters)
    frames: FrameLog = field(default_factory=FrameLog)
    intake: Intake = field(default_factory=Intake)
    max_unsent: int = 1024 * 1024


class Connection(asyncio.BufferedProtocol):
    """
    A client's connection.

    Args:
        session: The protocol of this connection.
        socket: The writing side of it.
        surroundings: What it is given to work with.
        max_message: Bytes that a message of the client may have.

    Attributes:
        session, socket: The same.
        is_open: Whether the client can still be read from.
        opened_at: When it was opened, on the monotonic clock.
        counts_for: What its gateway counts it for; see `quotas`.
        reader: See `Sender.reader`.
        waits: See `Sender.waits`.
        frames_earned_at: See `Sender.frames_earned_at`.
        subscribes_earned_at: See `Applicant.subscribes_earned_at`.
    """

    __slots__ = (
        "_is_left",
        "_surroundings",
        "counts_for",
        "frames_earned_at",
        "is_open",
        "opened_at",
        "reader",
        "session",
        "socket",
        "subscribes_earned_at",
        "waits",
    )

    def __init__(
        self, session: Session, socket: Socket, surroundings: Surroundings, *, max_message: int
    ) -> None:
        self.session = session
        self.socket = socket
        self.is_open = True
        self.opened_at = time.monotonic()
        self.counts_for: tuple[Subject, ...] = ()
        self.waits = False
        self.frames_earned_at = self.subscribes_earned_at = 0.0
        self._is_left = False  # Whether the client was the first to send a Close frame.
        self.reader = FrameReader(max_message)
        self._surroundings = surroundings

    @property
    def socket_id(self) -> str:
        """The connection's name."""
        return self.session.socket_id

    @property
    def ended_by(self) -> str:
        """
        Who ended the connection, once it has ended.

        ``client`` and ``gateway`` sent a Close frame, first; ``silence``: so did the gateway, which
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

    def begin(self, answer: bytes, *, rest: bytes) -> None:
        """
        Greet the client, and serve it until it goes or is sent away.

        Args:
            answer: What it is sent before that, and together with it.
            rest: What it has sent already.
        """
        self.socket.hold()
        self.socket.write(answer)
        self.perform(self.session.opened())
        self.socket.release()
        if rest:
            self._take_in(rest)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio calls with it.
        """Say where to read into: everybody into the same, which is emptied at once."""
        return self._surroundings.intake.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what the client sent; it is worked on now, or when it is its turn."""
        if self.is_open:
            self._take_in(bytes(self._surroundings.intake.buffer[:nbytes]))

    def _take_in(self, data: bytes) -> None:
        self.reader.feed(data)
        self._surroundings.intake.arrived(self, len(data))
        if self.reader.held:
            self.socket.holdings.add(len(data))

    @property
    def kept(self) -> int:
        """How many bytes are kept for the client: see `memory.holdings`."""
        return self.socket.unsent + self.reader.held

    def violated(self, violation: Violation) -> None:
        """See `Sender.violated`."""
        self.socket.close(violation.code, violation.reason)
        self._end()

    def resume_writing(self) -> None:
        """Go on with what the client has sent, if that was put off until it reads."""
        self._surroundings.intake.drained(self)

    def expel(self, reason: str) -> None:
        """See `Sender.expel`."""
        if self.is_open:
            self.close(OVER_CAPACITY, reason)
            self._depart()
            resume(self)  # What is not read would reset it, and the Close frame be lost.

    def eof_received(self) -> None:
        """End: a client that says no more is gone.  What is written already is still sent."""
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls with it.
        """End, if that was not done before."""
        self._end()
        let_go(self.socket.transport)

    def _end(self) -> None:
        if self.is_open:
            self.is_open = False
            try:
                self._surroundings.intake.departures.let_go(self._depart)
            finally:
                self.socket.finish()

    def _depart(self) -> None:
        """Have everybody know that the client is gone."""
        self.is_open = False
        try:
            self.perform(self.session.closed())
        finally:
            self._surroundings.intake.forget(self)
            self._surroundings.ended(self)

    def receive(self, message: Frame, now: float) -> None:
        """See `Sender.receive`."""
        opcode, payload = message
        if opcode == CLOSE:
            self._is_left = self.socket.closed_with is None
            self.socket.close(int.from_bytes(payload[:2]) or 1000, "closed by the client")
            self._end()
            return
        counters, kind = self._surroundings.counters, _NAMES[opcode]
        counters.received[kind] = counters.received.get(kind, 0) + 1
        counters.received_bytes += len(payload)
        if opcode == TEXT:
            self._take(payload, now)
            return
        self.session.heard(now)
        if opcode == PING:
            self.socket.pong(payload)
        elif opcode == BINARY:
            self.send(_BINARY)

    def _take(self, text: bytes, now: float) -> None:
        if (frames := self._surroundings.frames).is_on:
            frames.received(self.session.app.id, self.socket_id, text)
        if self.refresh():
            self.perform(self.session.received(text, now))
            if self.session.is_known:
                self.socket.max_unsent = self._surroundings.max_unsent

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

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do what the session answered, in order."""
        for effect in effects:
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Send():
                self._send(effect.frame)
                if effect.limit:
                    note_limited(effect.limit)
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
        counters = self._surroundings.counters
        counters.answers += 1
        counters.sent_bytes += len(payload)
        self.send(payload)

    def send(self, payload: bytes) -> None:
        """Write a text frame for this client alone; see `Socket.write`."""
        if (frames := self._surroundings.frames).is_on:
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
            channel=effect.channel,
            status=refusal.status,
            reason=refusal.detail or refusal.message,
            hint=refusal.hint,
            pace_by=f"{refusal.kind} {refusal.status}",
        )
        if refusal.kind == DENIED:
            audit_log.info(
                "audit.subscribe_denied",
                app=self.session.app.id,
                user=user.id if user else "",
                channel=effect.channel,
                status=refusal.status,
                reason=refusal.detail or refusal.message,
                pace_by=refusal.status,
            )

    def _make_known(self, effect: Known | UserWord | Withdraw) -> None:
        match effect:
            case Withdraw():
                self._surroundings.withdraw(self, effect)
            case Types() | HasSent() | HasRead():
                self._surroundings.told(self, effect)
            case SignedIn():
                self._surroundings.signed_in(self)
            case KnownAs(user_id):
                self._surroundings.known_as(self, user_id)
            case Shows():
                self._surroundings.shows(self, effect)
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
