"""
The core as a stage: sessions that are told what happens and when.  There is no socket, and time is a number.

The part of everything behind sessions is played here, as plainly as it can be: their questions are answered with
yes unless a presence channel is full, and what is said in a channel is said to all who are there.
"""

import json
import struct
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.bus.messages import event_frame
from libs.common.channels import Channel
from libs.common.control.commands import Command
from libs.common.errors import Denied, Invalid
from libs.common.roster.port import TooManyMembers
from services.gateway.protocol import frames
from services.gateway.protocol.effects import (
    Ask,
    BelongsTo,
    Close,
    Effect,
    Leave,
    Ping,
    Refusal,
    Refuse,
    Relay,
    Send,
    WatchUsers,
)
from services.gateway.protocol.frames import Member
from services.gateway.protocol.handshake import check_client, check_version
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from tests.conformance.play import GUARDS, changed, order_of
from tests.support.clients.raw_client import CLOSE, PING, PONG, TEXT, Frame
from tests.support.tokens.channel_tokens import verifier

TTL = 1800.0  # Seconds for which a cached event is kept.


class Client:
    """
    One end of a conversation.

    Attributes:
        session: Its protocol, if it was let in.
        heard: What was written to it and it did not read yet.
    """

    def __init__(self, socket_id: str) -> None:
        self.socket_id = socket_id
        self.session: Session | None = None
        self.heard: deque[Frame] = deque()

    def write(self, payload: bytes) -> None:
        """Write a text frame to it."""
        self.heard.append(Frame(TEXT, payload))

    def close(self, code: int, reason: str) -> None:
        """Close it, as `Connection.close` does."""
        self.write(frames.error(code, reason))
        self.heard.append(Frame(CLOSE, struct.pack("!H", code) + reason.encode()))


@dataclass(slots=True)
class Room:
    """
    A channel.

    Attributes:
        subscribers: In the order of their coming; of a presence channel with the member that each is.
        last: What was published last, if anything was, and when.
    """

    subscribers: dict[Client, Member | None] = field(default_factory=dict)
    last: tuple[bytes, float] | None = None

    def infos(self) -> dict[str, str]:
        """Tell who is here: user id to the ``user_info`` of the user's first connection."""
        infos: dict[str, str] = {}
        for member in self.subscribers.values():
            if member is not None:
                infos.setdefault(member.user_id, member.info)
        return infos

    def tell(self, frame: bytes, *, but: str = "") -> None:
        """Write to all, but for one socket id."""
        for client in self.subscribers:
            if client.socket_id != but:
                client.write(frame)


class Core:
    """
    A stage without a socket.  See `play.Stage`.

    Args:
        app: The only one.
        settings: Of the sessions.
    """

    def __init__(self, app: App, settings: GatewaySettings) -> None:
        self._app = app
        self._apps = MemoryApps([app])
        self._settings = settings
        self._verifier = verifier(*GUARDS)
        self._verifier.tune(now=0.0, utc=time.time())
        self._now = 0.0
        self._rooms: dict[Channel, Room] = defaultdict(Room)
        self._clients: dict[str, Client] = {}
        self._asked: deque[tuple[Client, Ask]] = deque()
        self._hesitates = False
        self._owners: dict[Client, str] = {}  # Whose each client is, if it is anybody's.
        self._watching: dict[Client, tuple[str, ...]] = {}

    async def opens(self, name: str, path: str, headers: Mapping[str, str]) -> None:
        """See `play.Stage.opens`."""
        client = self._clients[name] = Client(f"1234.{len(self._clients)}")
        url = urlsplit(path)
        try:
            query = dict(parse_qsl(url.query))
            check_version(query)
            app = self._apps.by_key(url.path.rpartition("/app/")[2])
            check_client(app, headers.get("Origin"), is_secure=url.scheme == "wss")
            carried = self._verifier.carried(query.get("token"), app, now=self._now)
        except (Invalid, Denied) as error:
            client.close(error.code, str(error))
            return
        client.session = Session(
            app,
            client.socket_id,
            self._settings,
            now=self._now,
            verifier=self._verifier,
            carried=carried,
        )
        self._perform(client, client.session, client.session.opened())

    async def leaves(self, name: str) -> None:
        """See `play.Stage.leaves`.  Its grace is over at once."""
        self._end(self._clients[name])

    async def says(self, name: str, frame: Frame) -> None:
        """See `play.Stage.says`."""
        client = self._clients[name]
        session = client.session
        assert session, f"{name} is not connected"
        assert frame.opcode in {TEXT, PONG}, "only a socket takes this frame: on live"
        if frame.opcode == PONG:
            session.heard(self._now)
        elif self._refreshed(client, session):
            self._perform(client, session, session.received(frame.payload, self._now))
            self._answer()

    async def hears(self, name: str) -> Frame:
        """See `play.Stage.hears`."""
        heard = self._clients[name].heard
        assert heard, f"{name} heard nothing"
        return heard.popleft()

    async def heard_all(self, name: str, *, closed: bool) -> None:
        """See `play.Stage.heard_all`."""
        client = self._clients[name]
        assert not client.heard, f"{name} also heard {client.heard}"
        assert closed == (client.session is None)

    async def act(self, subject: str, verb: str, text: str) -> None:
        """See `play.Stage.act`."""
        match subject, verb:
            case "backend", "publishes":
                self._publish(*text.split(" ", 1))
            case "backend", "revokes" | "expels":
                self._obey(order_of(verb, self._app.id, text))
            case "operator", "sets":
                self._app = changed(self._app, json.loads(text))
                self._apps.adopt([self._app])
            case "time", "passes":
                self._pass(float(text))
            case "bus", "hesitates" | "answers":
                self._hesitates = verb == "hesitates"
                self._answer()
            case _:
                raise AssertionError(f"{subject} {verb}: on live")

    def _obey(self, command: Command) -> None:
        """Do what `CommandHandler` does, with everybody."""
        if command.verb == "revoke":
            self._verifier.revoke(command, now=self._now)
        expulsion = (
            self._verifier.expel(command, now=self._now) if command.verb == "expel" else None
        )
        for client in self._open():
            if client.session is not None and expulsion is None:
                self._perform(client, client.session, client.session.judged(self._now))
            elif client.session is not None and expulsion is not None:
                ended = client.session.expelled(command.subject, expulsion)
                self._perform(client, client.session, ended)

    def _refreshed(self, client: Client, session: Session) -> bool:
        """Give a session the app as it is now; see `Connection.refresh`."""
        try:
            session.app = self._apps.by_id(session.app.id)
        except Denied as error:
            self._close(client, error.code, str(error))
            return False
        return True

    def _pass(self, seconds: float) -> None:
        """Let time pass, and have every session judged when it asks to be."""
        end = self._now + seconds
        while due := [(each.session.next_tick, each) for each in self._open() if each.session]:
            at, client = min(due, key=lambda each: each[0])
            if at > end or not client.session:
                break
            self._now = at
            if self._refreshed(client, client.session):
                self._perform(client, client.session, client.session.ticked(at))
        self._now = end

    def _open(self) -> list[Client]:
        return [client for client in self._clients.values() if client.session]

    def _perform(self, client: Client, session: Session, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(frame):
                    client.write(frame)
                case Refuse():
                    client.write(effect.frame)
                case Ping():
                    client.heard.append(Frame(PING, b""))
                case Ask():
                    self._asked.append((client, effect))
                case Leave(name):
                    self._leave(client, Channel(session.app.id, name))
                case Relay(channel=name, frame=frame):
                    self._rooms[Channel(session.app.id, name)].tell(frame, but=client.socket_id)
                case BelongsTo() | WatchUsers():
                    self._know(client, effect)
                case Close(code, reason):
                    self._close(client, code, reason)

    def _know(self, client: Client, effect: BelongsTo | WatchUsers) -> None:
        match effect:
            case BelongsTo(user_id):
                self._belong(client, user_id)
            case WatchUsers(user_ids):
                self._watching[client] = user_ids
                self._tell_of(user_ids, {client: user_ids})

    def _belong(self, client: Client, user_id: str) -> None:
        """Know whose a client is, and tell who watches users of whom comes or goes."""
        before = set(self._owners.values())
        self._owners.pop(client, None)
        if user_id:
            self._owners[client] = user_id
        self._tell_of(before ^ set(self._owners.values()), self._watching)

    def _tell_of(self, users: Iterable[str], watching: Mapping[Client, Iterable[str]]) -> None:
        named, online = set(users), set(self._owners.values())
        for client, watched in watching.items():
            changed = [user for user in watched if user in named]
            here = [user for user in changed if user in online]
            if changed:
                gone = [user for user in changed if user not in online]
                client.write(frames.watchlist_events(here, gone))

    def _close(self, client: Client, code: int, reason: str) -> None:
        client.close(code, reason)
        self._end(client)

    def _end(self, client: Client) -> None:
        session, client.session = client.session, None
        self._watching.pop(client, None)
        self._belong(client, "")
        if session is not None:
            self._perform(client, session, session.closed())

    def _answer(self) -> None:
        while self._asked and not self._hesitates:
            client, ask = self._asked.popleft()
            if client.session is not None:
                self._admit(client, client.session, ask)

    def _admit(self, client: Client, session: Session, ask: Ask) -> None:
        channel = Channel(session.app.id, ask.channel)
        room, limit = self._rooms[channel], session.app.limits.members
        infos = room.infos()
        if ask.member is not None and ask.member.user_id not in infos:
            if 0 < limit <= len(infos):
                error = TooManyMembers(limit)
                refusal = Refusal("LimitReached", str(error), error.code)
                self._perform(client, session, session.refused(ask.channel, refusal))
                return
            room.tell(frames.member_added(channel.name, ask.member.user_id, ask.member.info))
        room.subscribers.setdefault(client, ask.member)
        shown = frames.joined(channel.name, room.infos()) if channel.is_presence else None
        greeting = self._greeting(channel, room)
        self._perform(client, session, session.admitted(ask.channel, shown, greeting))
        self._count(channel, room)

    def _greeting(self, channel: Channel, room: Room) -> list[bytes]:
        """Return what a newcomer to a channel is sent first."""
        if not channel.is_cache:
            return []
        if room.last is None or room.last[1] + TTL <= self._now:
            return [frames.cache_miss(channel.name)]
        return [room.last[0]]

    def _leave(self, client: Client, channel: Channel) -> None:
        room = self._rooms[channel]
        member = room.subscribers.pop(client, None)
        if member is not None and member.user_id not in room.infos():
            room.tell(frames.member_removed(channel.name, member.user_id))
        self._count(channel, room)

    def _count(self, channel: Channel, room: Room) -> None:
        if self._app.subscription_counts and not channel.is_presence:
            room.tell(frames.subscription_count(channel.name, len(room.subscribers)))

    def _publish(self, name: str, text: str) -> None:
        event = json.loads(text)
        room = self._rooms[Channel(self._app.id, name)]
        frame = event_frame(name, event["name"], event["data"])
        room.last = frame, self._now
        room.tell(frame, but=event.get("socket_id", ""))
