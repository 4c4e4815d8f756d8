"""
The protocol of one connection: what a client sent, and what is to be done about it.

Pure.  A session is told what happened and the time, in monotonic seconds, and answers with effects; who runs
it performs them in order.  A subscribe is a question (`Ask`): its answer re-enters as `admitted` or `refused`,
so that a client which left while we were asking is a plain test.  Source: docs/protocol.md.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import partial
from math import inf

from libs.common.apps.app import App
from libs.common.bus.messages import event_frame
from libs.common.channels import USER_PREFIX, check_channel, needs_token
from libs.common.errors import Denied, Invalid
from libs.common.tokens.channel_tokens import StaleToken
from libs.common.tokens.revocations import RevokedToken
from services.gateway.access.expulsions import Expelled, Expulsion
from services.gateway.access.principal import Judgement, Principal
from services.gateway.access.rights import Admittance, NotIdentified
from services.gateway.access.verifier import NotInformed, Verified, Verifier
from services.gateway.protocol import frames
from services.gateway.protocol.client_events import ClientEvents
from services.gateway.protocol.effects import (
    Ask,
    Close,
    Effect,
    Leave,
    Refusal,
    Refuse,
    Relay,
    Send,
    SignedIn,
    Watch,
    error_told,
    refusal_of,
    refusal_told,
)
from services.gateway.protocol.frames import Member, Message, SignIn, Subscribe, User
from services.gateway.protocol.keepalive import Keepalive
from services.gateway.protocol.limits import TooManyChannels, check_user_info
from services.gateway.session.pending import Pending
from services.gateway.settings import GatewaySettings

# As Soketi and Sockudo do it; a subscription that needs a token is as good as a sign-in (Sockudo, issue 130).
NOT_KNOWN = Close(4009, "neither signed in nor subscribed with a token in time")


class State(Enum):
    """What a connection is to a channel; a channel that it is nothing to is absent."""

    HELD = "waiting until it is known who the client is"
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
        verifier: What its gateway knows of tokens.
        carried: The token that the client connected with, or why it does not count.

    Attributes:
        app: As it is now; whoever runs the session keeps it up to date.
    """

    __slots__ = (
        "_channels",
        "_client_events",
        "_closed",
        "_is_known",
        "_keepalive",
        "_members",
        "_opened_at",
        "_pending",
        "_principal",
        "_settings",
        "_stale",
        "_verifier",
        "app",
        "socket_id",
    )

    def __init__(
        self,
        app: App,
        socket_id: str,
        settings: GatewaySettings,
        *,
        now: float,
        verifier: Verifier,
        carried: Verified | StaleToken | None = None,
    ) -> None:
        self.app = app
        self.socket_id = socket_id
        self._settings = settings
        self._verifier = verifier
        self._stale = carried if isinstance(carried, StaleToken) else None
        verified = None if isinstance(carried, StaleToken) else carried
        self._principal = Principal(socket_id, verifier, verified)
        self._pending = Pending()
        self._channels: dict[str, State] = {}
        self._members: dict[str, Member] = {}
        self._client_events = ClientEvents()
        self._opened_at = now
        self._is_known = verified is not None  # Whether it showed a good token, anywhere.
        self._keepalive = Keepalive(settings, now=now)
        self._closed = False

    @property
    def user(self) -> User | None:
        """As whom the client is signed in."""
        return self._principal.user

    @property
    def known_as(self) -> tuple[str, ...]:
        """The ids of the users for whom it acted, in order."""
        return self._principal.known_as

    @property
    def tokens(self) -> frozenset[str]:
        """The names (``jti``) of the tokens that count for the client."""
        return self._principal.tokens

    def opened(self) -> list[Effect]:
        """Greet the client."""
        timeout = max(1, int(self._settings.activity_timeout))
        greeting = Send(frames.established(self.socket_id, timeout))
        complaint = [error_told(self._stale)] if self._stale else []
        return [greeting, *complaint, *self._principal.opened()]

    def heard(self, now: float) -> None:
        """Note that something came from the client: any frame is a sign of life."""
        self._keepalive.heard(now)

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
        late = [refusal_told(name, NotIdentified()) for name in self._pending.overdue(now)]
        ended = self._withdraw(lambda verified: verified.ends_at <= now, StaleToken())
        return [*late, *ended, *self._keepalive.judged(now)]

    @property
    def next_tick(self) -> float:
        """When the client must be judged next."""
        return min(self._known_by, self._pending.due, self._principal.ends_at, self._keepalive.due)

    @property
    def _known_by(self) -> float:
        """By when the client must be known."""
        timeout = self.app.auth_timeout
        is_known = self._is_known or self._pending.is_good
        return inf if is_known or timeout <= 0 else self._opened_at + timeout

    def judged(self, now: float) -> list[Effect]:
        """Take from the client what tokens opened that were revoked."""
        revoked = partial(self._verifier.is_revoked, app=self.app, now=now)
        return self._withdraw(revoked, RevokedToken())

    def informed(self, now: float) -> list[Effect]:
        """Take up what waited until its gateway knew what is revoked."""
        pending, self._pending.sign_in = self._pending.sign_in, None
        signed_in = (
            [*self._sign_in(pending, now), Watch()] if pending else []
        )  # It may count no more.
        return [*signed_in, *self._taken_up(now)]

    def _withdraw(self, is_over: Judgement, why: Denied) -> list[Effect]:
        over = self._principal.opened_by(is_over)
        effects = [effect for name in over for effect in self._end(name, why)]
        if self._principal.is_signed_in_by(is_over):
            effects += self._sign_out(why)
        return effects

    def expelled(self, user_id: str, expulsion: Expulsion) -> list[Effect]:
        """Take from the client the channels that its user was taken out of."""
        over = self._principal.expelled(user_id, expulsion)
        return [effect for name in over for effect in self._end(name, Expelled())]

    def _end(self, channel: str, why: Denied) -> list[Effect]:
        return self.refused(channel, refusal_of(why))

    def _sign_out(self, why: Denied) -> list[Effect]:
        user = self._principal.sign_out()
        own = self._end(USER_PREFIX + user.id, why) if user else []
        return [*own, error_told(why)]

    def closed(self) -> list[Effect]:
        """Give up everything: the client is gone."""
        self._closed = True
        channels = [name for name, state in self._channels.items() if state in _SUBSCRIBED]
        self._channels.clear()
        self._members.clear()
        self._pending.clear()
        self._principal.clear()
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
            if state is not State.HELD:  # It is asked for anew, and that waits.
                self._forget(channel)
            return [Leave(channel, returns=self._closed)]
        self._channels[channel] = State.JOINED
        frame = frames.succeeded(channel) if infos is None else frames.joined(channel, infos)
        return [Send(frame), *(map(Send, greeting) if state is State.JOINING else ())]

    def refused(self, channel: str, refusal: Refusal) -> list[Effect]:
        """Take the answer that the client may not join."""
        state = self._channels.get(channel)
        if state is State.HELD:  # It is asked for anew, and that waits.
            return []
        self._forget(channel)
        answer = Refuse(channel, refusal)
        match state:
            case State.JOINING:
                return [answer]
            case State.JOINED | State.ASKED_ANEW:  # It was asked for anew, and is lost.
                return [Leave(channel), answer]
        return []

    def _forget(self, channel: str) -> None:
        self._channels.pop(channel, None)
        self._members.pop(channel, None)
        self._pending.drop(channel)
        self._principal.drop(channel)

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

    def _sign_in(self, data: SignIn, now: float) -> list[Effect]:
        try:
            opened = self._principal.sign_in(self.app, data, now=now)
        except NotInformed:
            self._pending.sign_in = data
            return []
        except Denied as error:
            # The client may try again; the HTTP status is of no use to it here.
            return [error_told(error)]
        self._pending.sign_in = None  # It was an older one.
        self._is_known = True
        return [*self._signed_in(data), *self._rejudged(opened, now), *self._taken_up(now)]

    def _signed_in(self, data: SignIn) -> list[Effect]:
        user = self._principal.user
        if user is None:
            return []
        by_token = self._principal.is_signed_in_by_token
        told = frames.user_data(user) if by_token else data.user_data or ""
        return [SignedIn(user), Send(frames.signed_in(told)), *self._principal.signed_in()]

    def _rejudged(self, channels: list[str], now: float) -> list[Effect]:
        lost = self._principal.rejudged(self.app, channels, now=now)
        return [effect for name, why in lost for effect in self._end(name, why)]

    def _taken_up(self, now: float) -> list[Effect]:
        """Look again at the subscribes that wait."""
        effects: list[Effect] = []
        for waiting in self._pending.take():
            effects += self._subscribe(waiting.data, now)
            self._pending.resume(waiting)
        return effects

    def _subscribe(self, data: Subscribe, now: float) -> list[Effect]:
        name = data.channel
        if self._channels.get(name) is State.HELD:
            self._forget(name)
        try:
            return self._joining(name, self._entry(data, now))
        except NotInformed:
            return self._hold(Subscribe(name, data.auth), is_good=True)
        except NotIdentified as error:
            if self._channels.get(name) in {State.JOINING, *_SUBSCRIBED}:  # By another right.
                return [refusal_told(name, error)]
            return self._hold(Subscribe(name), until=now + self._settings.sign_in_wait)
        except (Denied, Invalid) as error:
            return [refusal_told(name, error)]

    def _entry(self, data: Subscribe, now: float) -> Admittance:
        check_channel(data.channel, longest=self.app.limits.longest_channel_name)
        self._check_room(data.channel)
        entry = self._principal.join(self.app, data, now=now)
        if entry.member is not None:
            check_user_info(entry.member.info, self.app.limits.member_bytes)
        return entry

    def _joining(self, name: str, entry: Admittance) -> list[Effect]:
        # Backends that are away do not count.
        self._is_known = self._is_known or needs_token(name) or entry.grant is not None
        asked = self._ask(name, entry.member)
        member = self._members.get(name)
        if entry.member and member and entry.member.user_id != member.user_id:
            return asked  # It stays whom it is in there, by the right by which it came.
        return [*asked, *self._principal.put(name, entry.grant)]

    def _hold(self, data: Subscribe, *, until: float = inf, is_good: bool = False) -> list[Effect]:
        if self._channels.get(data.channel) is State.LEFT_WHILE_JOINING:
            self._forget(data.channel)  # The answer that is under way is not for this.
        self._pending.put(data, until=until, is_good=is_good)
        self._channels.setdefault(data.channel, State.HELD)
        return [Watch()]

    def _check_room(self, name: str) -> None:
        limit = self.app.limits.channels
        if 0 < limit <= len(self._channels) and name not in self._channels:
            raise TooManyChannels(limit)

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
        match self._channels.get(name):
            case State.JOINED | State.ASKED_ANEW:
                self._forget(name)
                return [Leave(name)]
            case State.JOINING:
                self._channels[name] = State.LEFT_WHILE_JOINING
                self._pending.drop(name)
            case State.HELD:
                self._forget(name)
        return []

    def _client_event(self, message: Message, now: float) -> list[Effect]:
        name = message.channel or ""
        is_subscribed = self._channels.get(name) in _SUBSCRIBED
        self._client_events.check(self.app, message, is_subscribed=is_subscribed, now=now)
        data = frames.client_data(message.data)
        member = self._members.get(name)
        user_id = member.user_id if member else None
        return [Relay(name, event_frame(name, message.event, data, user_id=user_id))]
