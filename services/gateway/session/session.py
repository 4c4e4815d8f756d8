"""
The protocol of one connection: what a client sent, and what is to be done about it.

Pure.  A session is told what happened and the time, in monotonic seconds, and answers with effects.
A subscribe is a question (`Ask`): its answer re-enters as `admitted` or `refused`, so that a client
which left while we were asking is a plain test.  What becomes of a channel is in `subscriptions`;
here is what concerns the connection.  No part of a session refers back to it or to its connection:
the collector need not look at them (``gc=False``).  Source: docs/protocol.md.
"""

from collections.abc import Collection, Sequence
from functools import partial
from math import inf

from libs.common.apps.app import App
from libs.common.channels import USER_PREFIX, check_channel, needs_token
from libs.common.errors import Denied, Invalid
from libs.common.tokens.channel_tokens import StaleToken
from libs.common.tokens.expulsions import Expelled, Expulsion
from libs.common.tokens.revocations import RevokedToken
from services.gateway.access.principal import Principal
from services.gateway.access.rights import Admittance, NotIdentified
from services.gateway.access.verifier import Judgement, NotInformed, Verified, Verifier
from services.gateway.protocol import frames
from services.gateway.protocol.effects import (
    Close,
    Effect,
    Refusal,
    Send,
    SignedIn,
    Watch,
    error_told,
    refusal_of,
    refusal_told,
)
from services.gateway.protocol.frames import Member, Message, SignIn, Subscribe, User
from services.gateway.protocol.keepalive import Keepalive
from services.gateway.protocol.limits import check_user_info
from services.gateway.session.activity import Activity
from services.gateway.session.client_messages import ClientMessages
from services.gateway.session.own_channel import OwnChannel, own_channel
from services.gateway.session.pending import Pending
from services.gateway.session.rules import SessionRules
from services.gateway.session.subscriptions import Subscriptions
from services.gateway.session.watchlist import watching
from services.gateway.settings import GatewaySettings

# As Soketi and Sockudo do it; a subscription that needs a token is as good as a sign-in (Sockudo,
# issue 130).
NOT_KNOWN = Close(4009, "neither signed in nor subscribed with a token in time")


class Session:
    """
    One connection's side of the protocol.

    Every method that returns effects obliges its caller: all of them are performed, in order,
    before the session is told of anything else.  One thing may come between: an `Ask` may be
    answered while it is performed.  After each `Watch`, and after `ticked`, the caller looks at
    `next_tick`.

    Args:
        app: The app whose client this is.
        socket_id: The connection's name.
        settings: Limits and timers of the gateway.
        now: When the connection was opened.
        verifier: What its gateway knows of tokens.
        carried: The token that the client connected with, or why that does not count.
        rules: What holds for all sessions of the gateway.

    Attributes:
        app: The app as it is now; the caller replaces it before each event, for settings change.
        is_known: Whether the client has shown a good token or signature, anywhere.
    """

    __slots__ = (
        "_activity",
        "_client_messages",
        "_keepalive",
        "_opened_at",
        "_own",
        "_pending",
        "_principal",
        "_rules",
        "_settings",
        "_stale",
        "_subscriptions",
        "_verifier",
        "app",
        "is_known",
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
        rules: SessionRules | None = None,
    ) -> None:
        self.app = app
        self.socket_id = socket_id
        self._settings = settings
        self._verifier = verifier
        self._stale = carried if isinstance(carried, StaleToken) else None
        verified = None if isinstance(carried, StaleToken) else carried
        self._principal = Principal(socket_id, verifier, verified)
        self._pending = Pending()
        self._own = OwnChannel()
        self._subscriptions = Subscriptions(self._principal, self._pending)
        self._rules = rules or SessionRules()
        self._activity = Activity(self._rules.away_after, now)
        self._client_messages: ClientMessages | None = None  # Most clients send none.
        self._opened_at = now
        self.is_known = verified is not None
        self._keepalive = Keepalive(settings, now)

    @property
    def user(self) -> User | None:
        """As whom the client is signed in."""
        return self._principal.user

    @property
    def known_as(self) -> Collection[str]:
        """The ids of the users for whom it acted, in order."""
        return self._principal.known_as

    @property
    def is_away(self) -> bool:
        """Whether its user is away."""
        return self._activity.is_away

    @property
    def tokens(self) -> Collection[str]:
        """The names (``jti``) of the tokens that count for the client."""
        return self._principal.tokens

    def opened(self) -> list[Effect]:
        """Greet the client.  The caller calls this once, before everything else."""
        timeout = max(1, int(self._settings.activity_timeout))
        greeting = Send(frames.established(self.socket_id, timeout))
        complaint = [error_told(self._stale)] if self._stale else []
        return [greeting, *complaint, *self._principal.opened(), *self._principal.belongs()]

    def heard(self, now: float) -> None:
        """
        Note that something came from the client: any frame is a sign of life.

        The caller calls this for frames that `received` does not take: pings, pongs, binary ones.
        """
        self._keepalive.heard(now)

    def received(self, text: bytes | str, now: float) -> list[Effect]:
        """
        Take a text frame.

        The caller must perform the effects in order, and before it reads the client's next frame:
        that one may rest on what they did, as an unsubscribe does on an `Ask`.
        """
        self.heard(now)
        effects: list[Effect] = []
        try:
            message = frames.parse(text)
            if message.event not in frames.BY_ITSELF:
                effects += self._activity.heard(now)
            effects += self._handle(message, now)
        except Invalid as error:
            effects.append(error_told(error))
        return effects

    def ticked(self, now: float) -> list[Effect]:
        """
        Judge the client's silence, whether it is known, and what of its tokens has ended.

        The caller calls this at `next_tick` or soon after, performs the effects, and looks at
        `next_tick` again.
        """
        if now >= self._known_by:
            return [NOT_KNOWN]
        signed_in = self._own.overdue(now)
        late = [refusal_told(name, NotIdentified()) for name in self._pending.overdue(now)]
        over = self._principal.over(now)
        ended = self._withdraw(over, lambda verified: verified.ends_at <= now, StaleToken())
        away = self._activity.judged(now)
        return [*signed_in, *late, *ended, *away, *self._keepalive.judged(now)]

    @property
    def next_tick(self) -> float:
        """When the client must be judged next."""
        waiting = min(self._own.due, self._pending.due)
        silence = min(self._activity.due, self._keepalive.due)
        return min(self._known_by, waiting, self._principal.ends_at, silence)

    @property
    def _known_by(self) -> float:
        """By when the client must be known."""
        timeout = self.app.auth_timeout
        is_known = self.is_known or self._pending.is_good
        return inf if is_known or timeout <= 0 else self._opened_at + timeout

    def sign_in_told(self) -> list[Effect]:
        """Tell the client of its sign-in without waiting for its user's own channel any longer."""
        return self._own.told()

    def judged(self, now: float) -> list[Effect]:
        """
        Take from the client what tokens opened that were revoked.

        The caller calls this whenever tokens were revoked or signing keys dropped, after the
        verifier knows.
        """
        revoked = partial(self._verifier.is_revoked, app=self.app, now=now)
        return self._withdraw(self._principal.opened_by(revoked), revoked, RevokedToken())

    def informed(self, now: float) -> list[Effect]:
        """
        Take up what waited until its gateway knew what is revoked.

        The caller calls this once `Verifier.is_informed` is true, and when the guards were
        replaced.
        """
        pending, self._pending.sign_in = self._pending.sign_in, None
        signed_in: list[Effect] = []
        if pending:
            # A sign-in that waited kept the connection from being closed as not known; it does so
            # no more.
            signed_in = [*self._sign_in(pending, now), Watch()]
        return [*signed_in, *self._taken_up(now)]

    def _withdraw(self, over: list[str], is_over: Judgement, why: Denied) -> list[Effect]:
        effects = [effect for name in over for effect in self._end(name, why)]
        if self._principal.is_signed_in_by(is_over):
            effects += self._sign_out(why)
        self._principal.end(is_over)
        return [*effects, *self._principal.belongs()]

    def expelled(self, user_id: str, expulsion: Expulsion) -> list[Effect]:
        """
        Take from the client the channels that its user was taken out of.

        The caller has told the verifier before, so that the client cannot come back with its old
        permission.
        """
        over = self._principal.expelled(user_id, expulsion)
        return [effect for name in over for effect in self._end(name, Expelled())]

    def _end(self, channel: str, why: Denied) -> list[Effect]:
        return self.refused(channel, refusal_of(why))

    def _sign_out(self, why: Denied) -> list[Effect]:
        user = self._principal.sign_out()
        self._own.drop()
        own = self._end(USER_PREFIX + user.id, why) if user else []
        return [*own, error_told(why)]

    def closed(self) -> list[Effect]:
        """
        Give up everything: the client is gone.

        The caller calls this once, when it has read the last frame.  Answers to questions that are
        still under way may come later; each `Leave` that they give rise to must be performed all
        the same.
        """
        effects = self._subscriptions.closed()
        self._pending.clear()
        self._own.drop()
        self._principal.clear()
        return effects

    def members(self) -> list[tuple[str, Member]]:
        """Name the presence channels that the client has joined, and as whom."""
        return self._subscriptions.members()

    def admitted(
        self, channel: str, view: bytes | None, greeting: Sequence[bytes] = ()
    ) -> list[Effect]:
        """
        Take the answer to an `Ask` that the client may join, and has joined.

        The caller has put the client among the channel's subscribers before, and takes it off again
        where the answer is `Leave`: it did not wait for this one.

        Args:
            channel: The channel's name.
            view: The frame that shows the members of a presence channel; None for other channels.
            greeting: Frames that a newcomer is sent after the confirmation.
        """
        # Of its sign-in the client hears first: until then pusher-js drops the channel's events.
        signed_in = self._own.told() if channel == self._own.name else []
        return [*signed_in, *self._subscriptions.admitted(channel, view, greeting)]

    def refused(self, channel: str, refusal: Refusal) -> list[Effect]:
        """Take the answer to an `Ask` that the client may not join; it has not been subscribed."""
        return self._subscriptions.refused(channel, refusal)

    def _handle(self, message: Message, now: float) -> list[Effect]:
        match message.event:
            case "pusher:ping":
                return [Send(frames.PONG)]
            case "pusher:pong":
                return []
            case "pusher:subscribe":
                return self._subscribe(frames.parse_subscribe(message.data), now)
            case "pusher:unsubscribe":
                channel = frames.parse_unsubscribe(message.data).channel
                return self._subscriptions.unsubscribed(channel)
            case "pusher:signin":
                return self._sign_in(frames.parse_sign_in(message.data), now)
        if message.event.startswith(frames.CLIENT_PREFIX):
            self._client_messages = self._client_messages or ClientMessages(
                self._rules, self._principal, self._subscriptions, activity=self._activity
            )
            return self._client_messages.received(self.app, message, now=now)
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
        self._pending.sign_in = None  # One that waits is older than this, and says nothing more.
        self.is_known = True
        return [*self._signed_in(data, now), *self._rejudged(opened, now), *self._taken_up(now)]

    def _signed_in(self, data: SignIn, now: float) -> list[Effect]:
        user = self._principal.user
        if user is None:
            return []
        by_token = self._principal.is_signed_in_by_token
        told = frames.user_data(user) if by_token else data.user_data or ""
        answer = [Send(frames.signed_in(told)), *watching(self.app, user)]
        entering = self._enter_own(user, answer, now=now)
        known = [*self._principal.signed_in(), *self._principal.belongs()]
        return [SignedIn(user), *entering, *known]

    def _enter_own(self, user: User, answer: list[Effect], *, now: float) -> list[Effect]:
        """Bring the client into its user's own channel, and tell it then that it is signed in."""
        self._own.name = name = own_channel(user)
        if name is None:
            return answer
        asked = self._subscriptions.entered(name)
        if self._subscriptions.is_subscribed(name):
            return answer
        self._own.wait(answer, now=now)
        return asked

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
        self._subscriptions.looked_at(name)
        try:
            return self._joining(name, self._entry(data, now))
        except NotInformed:
            return self._subscriptions.uninformed(data)
        except NotIdentified as error:
            # pusher-js does not repeat a subscribe that was refused, and may be about to sign in.
            until = now + self._settings.sign_in_wait
            return self._subscriptions.unidentified(name, error, until=until)
        except (Denied, Invalid) as error:
            return [refusal_told(name, error)]

    def _entry(self, data: Subscribe, now: float) -> Admittance:
        check_channel(data.channel, longest=self.app.limits.longest_channel_name)
        own, limits = self._own.name or "", self.app.limits
        self._subscriptions.check_room(data.channel, own=own, limit=limits.channels)
        entry = self._principal.join(self.app, data, now=now)
        if entry.member is not None:
            check_user_info(entry.member.info, self.app.limits.member_bytes)
        return entry

    def _joining(self, name: str, entry: Admittance) -> list[Effect]:
        self.is_known = self.is_known or needs_token(name) or entry.grant is not None
        effects = self._subscriptions.subscribed(name, entry.member)
        member = self._subscriptions.member(name)
        if entry.member and member and entry.member.user_id != member.user_id:
            # A member stays whom it is, by the right by which it came: by the new right the other
            # user's expulsion or expiry would end this one's membership.
            return effects
        info = entry.member.info if entry.member else ""
        known = self._principal.put(name, entry.grant, info=info)
        return [*effects, *known, *self._principal.belongs()]
