"""
What a connection is to its channels, as a table: state, event, next state, and what follows.

Pure.  Everything that affects a channel's state lives here: `TRANSITIONS` is the only place that
says what becomes of one, and `Subscriptions` the only one that changes it.  An event that the table
does not list for a state cannot happen to it, and is an error of ours.  To add a state is to add
its rows.

Two questions about one channel may be under way at a time: after "subscribe, unsubscribe,
subscribe" the answer to the first question also answers the second, unless the client has become
another member meanwhile.
"""

from collections.abc import Mapping, Sequence
from enum import Enum, StrEnum
from math import inf
from typing import NamedTuple

import msgspec

from libs.common.errors import Denied
from services.gateway.access.principal import Principal
from services.gateway.protocol import frames
from services.gateway.protocol.effects import (
    Ask,
    Effect,
    Leave,
    Refusal,
    Refuse,
    Send,
    Watch,
    Withdraw,
    refusal_told,
)
from services.gateway.protocol.frames import Member, Subscribe
from services.gateway.protocol.limits import TooManyChannels
from services.gateway.session.pending import Pending


class State(StrEnum):
    """What a connection is to a channel."""

    ABSENT = "nothing to it"
    PENDING = "waiting until it is known who the client is"
    ENTERING = "being brought in, for which its client did not ask"
    ENTERED = "brought in, for which its client did not ask"
    JOINING = "joining"
    JOINED = "joined"
    ASKED_ANEW = "joined, and asked for anew"
    LEFT_WHILE_JOINING = "left while joining"


class Event(StrEnum):
    """What happens to a channel of a connection."""

    LOOKED_AT = "a subscribe came, or one that waited is taken up"
    SIGNED_IN = "the client has signed in, and this is its user's own channel"
    SUBSCRIBED = "the client may ask to join, where there are no members"
    SUBSCRIBED_AS_MEMBER = (
        "the client may ask to join, as the member that it was there or as its first"
    )
    SUBSCRIBED_AS_ANOTHER = "the client may ask to join, as another member than it was there"
    UNIDENTIFIED = "to join, the client must first say who it is"
    UNINFORMED = "the client shows a token of which it is not known yet whether it is revoked"
    ADMITTED = "the answer came that the client has joined"
    REFUSED = "the client may not join, or may not stay"
    UNSUBSCRIBED = "the client wants to be in the channel no more"
    CLOSED = "the connection has ended"


class Action(Enum):
    """What follows from an event; `Subscriptions` turns it into effects."""

    ASK = "find out whether the client may join"
    CONFIRM = "tell the client that it is subscribed"
    GREET = "send what a newcomer to the channel is sent"
    LEAVE = "take the client off the channel"
    DROP = "let the question wait no more, if it was not asked yet"
    REFUSE = "tell the client why it may not be in the channel"
    WAIT = "keep the subscribe until it is known who the client is"


class Step(NamedTuple):
    """A cell of the table: the next state, and what follows, in order."""

    state: State
    actions: tuple[Action, ...]


def _to(state: State, *actions: Action) -> Step:
    return Step(state, actions)


TRANSITIONS: Mapping[State, Mapping[Event, Step]] = {
    State.ABSENT: {
        Event.LOOKED_AT: _to(State.ABSENT),
        Event.SIGNED_IN: _to(State.ENTERING, Action.ASK),
        Event.SUBSCRIBED: _to(State.JOINING, Action.ASK),
        Event.SUBSCRIBED_AS_MEMBER: _to(State.JOINING, Action.ASK),
        Event.UNIDENTIFIED: _to(State.PENDING, Action.WAIT),
        Event.UNINFORMED: _to(State.PENDING, Action.WAIT),
        # It was refused or unsubscribed while this answer was under way.
        Event.ADMITTED: _to(State.ABSENT, Action.LEAVE),
        Event.REFUSED: _to(State.ABSENT),
        Event.UNSUBSCRIBED: _to(State.ABSENT),
        Event.CLOSED: _to(State.ABSENT),
    },
    State.PENDING: {
        # What waited is judged like a new subscribe, and may wait again.
        Event.LOOKED_AT: _to(State.ABSENT),
        # The answer is to a question that the client gave up before it asked anew, which waits.
        Event.ADMITTED: _to(State.PENDING, Action.LEAVE),
        Event.REFUSED: _to(State.PENDING),
        Event.UNSUBSCRIBED: _to(State.ABSENT),
        Event.CLOSED: _to(State.ABSENT),
    },
    State.ENTERING: {  # A user's own channel alone comes here.
        Event.LOOKED_AT: _to(State.ENTERING),
        Event.SIGNED_IN: _to(State.ENTERING),
        # The question is under way; its answer is for this request too.
        Event.SUBSCRIBED: _to(State.JOINING),
        # The client asked for nothing, and is told nothing of it.
        Event.ADMITTED: _to(State.ENTERED),
        Event.REFUSED: _to(State.ABSENT),
        Event.UNSUBSCRIBED: _to(State.LEFT_WHILE_JOINING, Action.DROP),
        Event.CLOSED: _to(State.ABSENT),
    },
    State.ENTERED: {
        Event.LOOKED_AT: _to(State.ENTERED),
        Event.SIGNED_IN: _to(State.ENTERED),
        Event.SUBSCRIBED: _to(State.JOINED, Action.CONFIRM),
        # It had signed in before, signed out, and in again: two questions were under way.
        Event.ADMITTED: _to(State.ENTERED),
        Event.REFUSED: _to(State.ABSENT, Action.LEAVE),
        Event.UNSUBSCRIBED: _to(State.ABSENT, Action.LEAVE),
        Event.CLOSED: _to(State.ABSENT, Action.LEAVE),
    },
    State.JOINING: {
        Event.LOOKED_AT: _to(State.JOINING),
        Event.SIGNED_IN: _to(State.JOINING),
        # The question is under way; its answer is for this request too.
        Event.SUBSCRIBED: _to(State.JOINING),
        Event.SUBSCRIBED_AS_MEMBER: _to(State.JOINING),
        Event.SUBSCRIBED_AS_ANOTHER: _to(State.JOINING, Action.ASK),
        # It is joining by another right: this subscribe alone fails.
        Event.UNIDENTIFIED: _to(State.JOINING, Action.REFUSE),
        Event.UNINFORMED: _to(State.JOINING, Action.WAIT),
        Event.ADMITTED: _to(State.JOINED, Action.CONFIRM, Action.GREET),
        Event.REFUSED: _to(State.ABSENT, Action.REFUSE),
        Event.UNSUBSCRIBED: _to(State.LEFT_WHILE_JOINING, Action.DROP),
        Event.CLOSED: _to(State.ABSENT),
    },
    State.JOINED: {
        Event.LOOKED_AT: _to(State.JOINED),
        Event.SIGNED_IN: _to(State.JOINED),
        # Subscribing twice is subscribing once, and is confirmed again; of members there is a new
        # view.
        Event.SUBSCRIBED: _to(State.JOINED, Action.CONFIRM),
        Event.SUBSCRIBED_AS_MEMBER: _to(State.ASKED_ANEW, Action.ASK),
        Event.SUBSCRIBED_AS_ANOTHER: _to(State.ASKED_ANEW, Action.ASK),
        Event.UNIDENTIFIED: _to(State.JOINED, Action.REFUSE),
        Event.UNINFORMED: _to(State.JOINED, Action.WAIT),
        # Two questions were under way: the client was greeted at the first answer.
        Event.ADMITTED: _to(State.JOINED, Action.CONFIRM),
        Event.REFUSED: _to(State.ABSENT, Action.LEAVE, Action.REFUSE),
        Event.UNSUBSCRIBED: _to(State.ABSENT, Action.LEAVE),
        Event.CLOSED: _to(State.ABSENT, Action.LEAVE),
    },
    State.ASKED_ANEW: {  # Presence channels alone come here.
        Event.LOOKED_AT: _to(State.ASKED_ANEW),
        # The question is under way; its answer is for this request too.
        Event.SUBSCRIBED_AS_MEMBER: _to(State.ASKED_ANEW),
        Event.SUBSCRIBED_AS_ANOTHER: _to(State.ASKED_ANEW),
        Event.UNIDENTIFIED: _to(State.ASKED_ANEW, Action.REFUSE),
        Event.UNINFORMED: _to(State.ASKED_ANEW, Action.WAIT),
        Event.ADMITTED: _to(State.JOINED, Action.CONFIRM),
        Event.REFUSED: _to(State.ABSENT, Action.LEAVE, Action.REFUSE),
        Event.UNSUBSCRIBED: _to(State.ABSENT, Action.LEAVE),
        Event.CLOSED: _to(State.ABSENT, Action.LEAVE),
    },
    State.LEFT_WHILE_JOINING: {
        Event.LOOKED_AT: _to(State.LEFT_WHILE_JOINING),
        Event.SIGNED_IN: _to(State.ENTERING),
        # It comes back: the answer that is under way is for this request.
        Event.SUBSCRIBED: _to(State.JOINING),
        Event.SUBSCRIBED_AS_MEMBER: _to(State.JOINING),
        Event.SUBSCRIBED_AS_ANOTHER: _to(State.JOINING, Action.ASK),
        # The answer that is under way is not for this request.
        Event.UNIDENTIFIED: _to(State.PENDING, Action.WAIT),
        Event.UNINFORMED: _to(State.PENDING, Action.WAIT),
        Event.ADMITTED: _to(State.ABSENT, Action.LEAVE),
        Event.REFUSED: _to(State.ABSENT),
        Event.UNSUBSCRIBED: _to(State.LEFT_WHILE_JOINING),
        Event.CLOSED: _to(State.ABSENT),
    },
}

_SUBSCRIBED = frozenset({State.ENTERED, State.JOINED, State.ASKED_ANEW})
_UNASKED = frozenset({State.ABSENT, State.PENDING})  # Neither a member nor a right is known there.


def transition(state: State, event: Event) -> Step:
    """
    Look an event up in the table.

    Raises:
        AssertionError: The event cannot happen in this state.
    """
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        text = (
            f"to a channel that the connection is {state.value!r} to, this happened: {event.value}"
        )
        raise AssertionError(text) from None


class Subscriptions(msgspec.Struct, eq=False, gc=False):
    """
    The channels of one connection.

    Each method is an event, and returns what is to be done about it.

    Attributes:
        principal: Forgets by what right the client was in a channel that it leaves.
        pending: Keeps the subscribes that wait.
    """

    principal: Principal
    pending: Pending
    _states: dict[str, State] = msgspec.field(default_factory=dict)  # Those that are not absent.
    _members: dict[str, Member] | None = None  # None as well: most clients are none anywhere.
    _is_closed: bool = False

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, channel: str) -> bool:
        return channel in self._states

    def state(self, channel: str) -> State:
        """Return what the connection is to a channel."""
        return self._states.get(channel, State.ABSENT)

    def is_subscribed(self, channel: str) -> bool:
        """Tell whether the client has joined a channel."""
        return self.state(channel) in _SUBSCRIBED

    def member(self, channel: str) -> Member | None:
        """Return as whom the client is in a presence channel, or asks to be."""
        return self._members.get(channel) if self._members else None

    def members(self) -> list[tuple[str, Member]]:
        """Name the presence channels that the client has joined, and as whom."""
        known = self._members or {}
        return [(name, member) for name, member in known.items() if self.is_subscribed(name)]

    def check_room(self, channel: str, *, own: str, limit: int) -> None:
        """
        Let the client ask to join a channel if it is in not too many.

        Args:
            channel: The channel's name.
            own: That of its user's own channel, into which it did not ask to be brought: it takes
                no other's place.
            limit: The most channels; 0 or less is no limit.

        Raises:
            TooManyChannels: It is in as many as it may be.
        """
        if channel == own or channel in self:
            return
        if 0 < limit <= len(self) - (own in self):
            raise TooManyChannels(limit)

    def looked_at(self, channel: str) -> None:
        """Let what waits for a channel wait no more: it is judged now."""
        self._happened(channel, Event.LOOKED_AT)

    def subscribed(self, channel: str, member: Member | None) -> list[Effect]:
        """
        Take a subscribe by a client that may ask to join.

        Args:
            channel: The channel's name.
            member: As whom the client joins a presence channel; who has joined one stays whom it is
                there.
        """
        actions = self._happened(channel, self._event_of(channel, member))
        if member is not None and self.state(channel) is State.JOINING:
            self._members = self._members or {}
            self._members[channel] = member
        return [
            Ask(channel, self.member(channel))
            if action is Action.ASK
            else Send(frames.succeeded(channel))
            for action in actions
        ]

    def entered(self, channel: str) -> list[Effect]:
        """Bring the client into its user's own channel; a subscribe that follows is confirmed."""
        return [Ask(channel, None) for _ in self._happened(channel, Event.SIGNED_IN)]

    def _event_of(self, channel: str, member: Member | None) -> Event:
        if member is None:
            return Event.SUBSCRIBED
        before = self.member(channel)
        is_another = before is not None and before != member
        return Event.SUBSCRIBED_AS_ANOTHER if is_another else Event.SUBSCRIBED_AS_MEMBER

    def unidentified(self, channel: str, why: Denied, *, until: float) -> list[Effect]:
        """
        Take a subscribe to a guarded channel by a client that has not said who it is.

        Args:
            channel: The channel's name.
            why: What the client is told where it is in the channel by another right.
            until: Else it is told so at this instant, in monotonic seconds.
        """
        if Action.REFUSE in self._happened(channel, Event.UNIDENTIFIED):
            return [refusal_told(channel, why)]
        self.pending.put(Subscribe(channel), until=until)
        return [Watch()]

    def uninformed(self, data: Subscribe) -> list[Effect]:
        """Take a subscribe with a token of which it is not known yet whether it is revoked."""
        self._happened(data.channel, Event.UNINFORMED)
        self.pending.put(Subscribe(data.channel, data.auth), until=inf, is_good=True)
        return [Watch()]

    def admitted(self, channel: str, view: bytes | None, greeting: Sequence[bytes]) -> list[Effect]:
        """Take the answer that the client may join, and has joined; see `Session.admitted`."""
        effects: list[Effect] = []
        for action in self._happened(channel, Event.ADMITTED):
            match action:
                case Action.CONFIRM:
                    effects.append(Send(view or frames.succeeded(channel)))
                case Action.GREET:
                    effects += map(Send, greeting)
                case Action.LEAVE:
                    effects.append(self._left(channel))
        return effects

    def refused(self, channel: str, refusal: Refusal) -> list[Effect]:
        """Take the answer that the client may not join, or the news that it may not stay."""
        return [
            self._left(channel) if action is Action.LEAVE else Refuse(channel, refusal)
            for action in self._happened(channel, Event.REFUSED)
        ]

    def unsubscribed(self, channel: str) -> list[Effect]:
        """Take an unsubscribe; a subscribe that waits is undone as well."""
        self.pending.drop(channel)
        return [
            Withdraw(channel) if action is Action.DROP else self._left(channel)
            for action in self._happened(channel, Event.UNSUBSCRIBED)
        ]

    def closed(self) -> list[Effect]:
        """Give up all channels; answers that are still under way find the client gone."""
        self._is_closed = True
        return [
            self._left(channel)
            for channel in tuple(self._states)
            for _ in self._happened(channel, Event.CLOSED)
        ]

    def _left(self, channel: str) -> Leave:
        return Leave(channel, returns=self._is_closed)

    def _happened(self, channel: str, event: Event) -> tuple[Action, ...]:
        """Go to the next state, and return what follows."""
        before = self.state(channel)
        after, actions = transition(before, event)
        if after is not before and after in _UNASKED:
            self._forget(channel)
        if after is not State.ABSENT:
            self._states[channel] = after
        return actions

    def _forget(self, channel: str) -> None:
        self._states.pop(channel, None)
        if self._members:
            self._members.pop(channel, None)
        self.pending.drop(channel)
        self.principal.drop(channel)
