"""
The protocol of one connection: what a client sent, and what is to be done about it.

Pure.  A session is told what happened and the time, in monotonic seconds, and answers with effects; who runs
it performs them in order.  A subscribe is a question (`Ask`): its answer re-enters as `admitted` or `refused`,
so that a client which left while we were asking is a plain test.  Source: docs/protocol.md.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from math import inf

from libs.common.apps import App
from libs.common.channels import (
    USER_PREFIX,
    Kind,
    check_channel,
    check_event,
    kind_of,
    needs_token,
)
from libs.common.errors import Denied, Invalid
from libs.common.limits import exceeds
from libs.common.messages import event_frame
from libs.common.revocations import RevokedToken
from libs.common.tokens import StaleToken
from services.gateway import frames, rights
from services.gateway.effects import (
    Ask,
    Close,
    Effect,
    KnownAs,
    Leave,
    Ping,
    Refusal,
    Relay,
    Send,
    SignedIn,
    Watch,
    refusal_of,
)
from services.gateway.expulsions import Expelled, Expulsion
from services.gateway.frames import Member, Message, User
from services.gateway.grants import Grant, Grants
from services.gateway.limits import (
    ClientEventRefused,
    TokenBucket,
    TooManyChannels,
    TooManyClientEvents,
    TooMuchUserInfo,
)
from services.gateway.passes import Pass, Passes
from services.gateway.settings import GatewaySettings

# As Soketi and Sockudo do it; a subscription that needs a token is as good as a sign-in (Sockudo, issue 130).
NOT_KNOWN = Close(4009, "neither signed in nor subscribed with a token in time")
PONG_NOT_RECEIVED = Close(4201, "pong reply not received in time")


class State(Enum):
    """What a connection is to a channel; a channel that it is nothing to is absent."""

    JOINING = "joining"
    JOINED = "joined"
    ASKED_ANEW = "joined, and asked for anew"
    LEFT_WHILE_JOINING = "left while joining"


_SUBSCRIBED = frozenset({State.JOINED, State.ASKED_ANEW})


class Session:
    """
    One connection's side of the protocol.

    Args:
        app: Whose client it is.
        socket_id: The connection's name.
        settings: Limits and timers.
        now: When it was opened.
        passes: What its gateway knows of tokens.
        carried: The token that the client connected with.

    Attributes:
        app: As it is now; whoever runs the session keeps it up to date.
        user: As whom the client is signed in.
        known_as: The ids of the users for whom it acted, in order.
    """

    __slots__ = (
        "_bucket",
        "_carried",
        "_channels",
        "_closed",
        "_grants",
        "_heard_at",
        "_is_known",
        "_members",
        "_opened_at",
        "_passes",
        "_pinged_at",
        "_settings",
        "_user_pass",
        "app",
        "known_as",
        "socket_id",
        "user",
    )

    def __init__(
        self,
        app: App,
        socket_id: str,
        settings: GatewaySettings,
        *,
        now: float,
        passes: Passes,
        carried: Pass | None = None,
    ) -> None:
        self.app = app
        self.socket_id = socket_id
        self._settings = settings
        self._passes = passes
        self._carried = carried
        self.user: User | None = None
        self.known_as: tuple[str, ...] = ()
        self._user_pass: Pass | None = None
        self._grants = Grants()
        self._channels: dict[str, State] = {}
        self._members: dict[str, Member] = {}
        self._bucket: TokenBucket | None = None
        self._opened_at = now
        self._is_known = carried is not None  # Whether it showed a good token, anywhere.
        self._heard_at = now
        self._pinged_at: float | None = None
        self._closed = False

    def opened(self) -> list[Effect]:
        """Greet the client."""
        timeout = max(1, int(self._settings.activity_timeout))
        greeting = Send(frames.established(self.socket_id, timeout))
        return [greeting, *(self._known(self._carried.token.user) if self._carried else ())]

    def heard(self, now: float) -> None:
        """Note that something came from the client: any frame is a sign of life."""
        self._heard_at = now
        self._pinged_at = None

    def received(self, text: bytes | str, now: float) -> list[Effect]:
        """Take a text frame."""
        self.heard(now)
        try:
            return self._handle(frames.parse(text), now)
        except Invalid as error:
            return [Send(frames.error(error.code, str(error)))]

    def ticked(self, now: float) -> list[Effect]:
        """Judge the client's silence, and whether it is known; due at `next_tick`."""
        if now >= self._known_by:
            return [NOT_KNOWN]
        if now >= self._ends_at:
            return self._expired(now)
        if self._pinged_at is not None:
            overdue = now >= self._pinged_at + self._settings.pong_timeout
            return [PONG_NOT_RECEIVED] if overdue else []
        if now < self._heard_at + self._settings.activity_timeout:
            return []
        self._pinged_at = now
        return [Ping()]

    @property
    def next_tick(self) -> float:
        """When the client must be judged next."""
        if self._pinged_at is not None:
            return min(self._known_by, self._ends_at, self._pinged_at + self._settings.pong_timeout)
        return min(self._known_by, self._ends_at, self._heard_at + self._settings.activity_timeout)

    @property
    def _known_by(self) -> float:
        """By when the client must be known."""
        timeout = self.app.auth_timeout
        return inf if self._is_known or timeout <= 0 else self._opened_at + timeout

    @property
    def _ends_at(self) -> float:
        """When the first thing that a token opened ends."""
        return min(self._grants.ends_at, self._user_pass.ends_at if self._user_pass else inf)

    def _expired(self, now: float) -> list[Effect]:
        """Take from the client what tokens opened whose grace is over."""
        return self._withdraw(lambda pass_: pass_.ends_at <= now, StaleToken())

    def judged(self, now: float) -> list[Effect]:
        """Take from the client what tokens opened that were revoked."""
        revoked = partial(self._passes.is_revoked, now=now)
        return self._withdraw(revoked, RevokedToken())

    def _withdraw(self, is_over: Callable[[Pass], bool], why: Denied) -> list[Effect]:
        over = self._grants.named(lambda _, grant: bool(grant.pass_ and is_over(grant.pass_)))
        effects = [effect for name in over for effect in self._end(name, why)]
        if self._user_pass is not None and is_over(self._user_pass):
            effects += self._sign_out(why)
        return effects

    def expelled(self, user_id: str, expulsion: Expulsion) -> list[Effect]:
        """Take from the client the channels that its user was taken out of."""
        over = self._grants.named(
            lambda name, grant: grant.user == user_id and expulsion.covers(name, grant.given_at)
        )
        return [effect for name in over for effect in self._end(name, Expelled())]

    def _end(self, channel: str, why: Denied) -> list[Effect]:
        return self.refused(channel, refusal_of(why))

    def _sign_out(self, why: Denied) -> list[Effect]:
        user, self.user, self._user_pass = self.user, None, None
        own = self._end(USER_PREFIX + user.id, why) if user else []
        return [*own, Send(frames.error(why.code, str(why)))]

    def closed(self) -> list[Effect]:
        """Give up everything: the client is gone."""
        self._closed = True
        channels = [name for name, state in self._channels.items() if state in _SUBSCRIBED]
        self._channels.clear()
        self._members.clear()
        self._grants.clear()
        return [Leave(name, returns=True) for name in channels]

    def members(self) -> list[tuple[str, Member]]:
        """Name the presence channels that the client has joined, and as whom."""
        return [
            (name, member)
            for name, member in self._members.items()
            if self._channels.get(name) in _SUBSCRIBED
        ]

    def admitted(
        self, channel: str, infos: Mapping[str, str] | None, greeting: Sequence[bytes] = ()
    ) -> list[Effect]:
        """
        Take the answer that the client may join, and has joined.

        Args:
            channel: Which.
            infos: The members of a presence channel: user id to ``user_info`` as JSON text.
            greeting: Frames that a newcomer is sent after the confirmation.
        """
        state = self._channels.get(channel)
        if state not in {State.JOINING, *_SUBSCRIBED}:
            self._forget(channel)
            return [Leave(channel, returns=self._closed)]
        self._channels[channel] = State.JOINED
        frame = frames.succeeded(channel) if infos is None else frames.joined(channel, infos)
        return [Send(frame), *(map(Send, greeting) if state is State.JOINING else ())]

    def refused(self, channel: str, refusal: Refusal) -> list[Effect]:
        """Take the answer that the client may not join."""
        state = self._channels.get(channel)
        self._forget(channel)
        answer = frames.refused(channel, refusal.kind, refusal.message, status=refusal.status)
        match state:
            case State.JOINING:
                return [Send(answer)]
            case State.JOINED | State.ASKED_ANEW:  # It was asked for anew, and is lost.
                return [Leave(channel), Send(answer)]
        return []

    def _forget(self, channel: str) -> None:
        self._channels.pop(channel, None)
        self._members.pop(channel, None)
        self._grants.drop(channel)

    def _handle(self, message: Message, now: float) -> list[Effect]:
        match message.event:
            case "pusher:ping":
                return [Send(frames.PONG)]
            case "pusher:pong":
                return []
            case "pusher:subscribe":
                return self._subscribe(frames.parse_subscribe(message.data), now)
            case "pusher:unsubscribe":
                return self._unsubscribe(frames.parse_unsubscribe(message.data).channel)
            case "pusher:signin":
                return self._sign_in(frames.parse_sign_in(message.data), now)
        if message.event.startswith(frames.CLIENT_PREFIX):
            return self._client_event(message, now)
        raise frames.UnknownEvent(message.event)

    def _client(self, now: float) -> rights.Client:
        return rights.Client(self.app, self.socket_id, self._passes, self.user, self._carried, now)

    def _known(self, user_id: str) -> list[Effect]:
        """Say once for whom the client acts."""
        if user_id in self.known_as:
            return []
        self.known_as += (user_id,)
        return [KnownAs(user_id)]

    def _sign_in(self, data: frames.SignIn, now: float) -> list[Effect]:
        try:
            self.user, self._user_pass = rights.sign_in(self._client(now), data)
        except Denied as error:
            # The client may try again; the HTTP status is of no use to it here.
            return [Send(frames.error(error.code, str(error)))]
        self._is_known = True
        told = frames.user_data(self.user) if self._user_pass else data.user_data or ""
        known = self._known(self.user.id)
        return [SignedIn(self.user), Send(frames.signed_in(told)), *known, Watch()]

    def _subscribe(self, data: frames.Subscribe, now: float) -> list[Effect]:
        name = data.channel
        try:
            check_channel(name, longest=self.app.limits.longest_channel_name)
            self._check_room(name)
            entry = rights.join(self._client(now), data)
            self._check_member(entry.member)
        except (Denied, Invalid) as error:
            kind, message, status = refusal_of(error)
            return [Send(frames.refused(name, kind, message, status=status))]
        self._is_known = self._is_known or needs_token(name)  # Backends that are away do not count.
        asked = self._ask(name, entry.member)
        member = self._members.get(name)
        if entry.member and member and entry.member.user_id != member.user_id:
            return asked  # It stays whom it is in there, by the right by which it came.
        return [*asked, *self._granted(name, entry.grant)]

    def _granted(self, name: str, grant: Grant | None) -> list[Effect]:
        """Let the permission that was shown last count."""
        if grant is None:
            self._grants.drop(name)
            return []
        self._grants.put(name, grant)
        return [*self._known(grant.user), *([Watch()] if grant.pass_ else [])]

    def _check_room(self, name: str) -> None:
        limit = self.app.limits.channels
        if 0 < limit <= len(self._channels) and name not in self._channels:
            raise TooManyChannels(limit)

    def _check_member(self, member: Member | None) -> None:
        limit = self.app.limits.member_bytes
        if member is not None and exceeds(len(member.info.encode()), limit):
            raise TooMuchUserInfo(limit)

    def _ask(self, name: str, member: Member | None) -> list[Effect]:
        state = self._channels.get(name)
        if state in _SUBSCRIBED:
            return self._ask_anew(name)
        self._channels[name] = State.JOINING
        if state is not None and member == self._members.get(name):
            return []  # The question is under way; its answer is for this request too.
        if member is not None:
            self._members[name] = member
        return [Ask(name, member)]

    def _ask_anew(self, name: str) -> list[Effect]:
        """Subscribing twice is subscribing once, and is confirmed again; of members there is a new view."""
        member = self._members.get(name)
        if member is None:
            return [Send(frames.succeeded(name))]
        if self._channels[name] is State.ASKED_ANEW:
            return []  # The question is under way; its answer is for this request too.
        self._channels[name] = State.ASKED_ANEW
        return [Ask(name, member)]

    def _unsubscribe(self, name: str) -> list[Effect]:
        state = self._channels.get(name)
        if state in _SUBSCRIBED:
            self._forget(name)
            return [Leave(name)]
        if state is State.JOINING:
            self._channels[name] = State.LEFT_WHILE_JOINING
        return []

    def _client_event(self, message: Message, now: float) -> list[Effect]:
        name = message.channel or ""
        self._check_client_event(message, name)
        rate = self.app.limits.client_events
        if self._bucket is None or self._bucket.rate != rate:
            self._bucket = TokenBucket(rate, now=now)
        if not self._bucket.allow(now):
            raise TooManyClientEvents(rate)
        data = frames.client_data(message.data)
        member = self._members.get(name)
        user_id = member.user_id if member else None
        return [Relay(name, event_frame(name, message.event, data, user_id=user_id))]

    def _check_client_event(self, message: Message, name: str) -> None:
        if not self.app.client_events:
            raise ClientEventRefused("client events are switched off for this app")
        check_event(message.event, longest=self.app.limits.longest_event_name)
        if self._channels.get(name) not in _SUBSCRIBED:
            raise ClientEventRefused(f"not subscribed to {name[:200]}")
        if kind_of(name) not in {Kind.PRIVATE, Kind.PRESENCE}:
            raise ClientEventRefused("client events need a private or a presence channel")
        limit = self.app.limits.client_event_bytes
        if exceeds(len(bytes(message.data)), limit):
            raise ClientEventRefused(f"the data of a client event may have {limit} bytes")
