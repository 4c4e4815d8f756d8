"""What a connection is to its channels: the table, cell by cell, and what its actions become."""

import pytest

from services.gateway.access.principal import Principal
from services.gateway.access.rights import NotIdentified
from services.gateway.access.verifier import Verifier
from services.gateway.protocol import frames
from services.gateway.protocol.effects import (
    WITHDRAWN,
    Ask,
    Leave,
    Refusal,
    Refuse,
    Send,
    Watch,
    Withdraw,
)
from services.gateway.protocol.frames import Member, Subscribe
from services.gateway.session.pending import Pending
from services.gateway.session.subscriptions import (
    TRANSITIONS,
    Action,
    Event,
    State,
    Subscriptions,
    transition,
)
from tests.unit.gateway.conftest import SOCKET_ID

CELLS = [(state, event) for state in State for event in Event]

STATES = {
    "absent": State.ABSENT,
    "pending": State.PENDING,
    "entering": State.ENTERING,
    "entered": State.ENTERED,
    "joining": State.JOINING,
    "joined": State.JOINED,
    "anew": State.ASKED_ANEW,
    "left": State.LEFT_WHILE_JOINING,
}

# A row for each event, a column for each state; in the cells the next state, and the initials of
# the actions that follow.  A dash: this cannot happen.
TABLE = """
                       absent      pending    entering  entered    joining    joined     anew       left
LOOKED_AT              absent      absent     entering  entered    joining    joined     anew       left
SIGNED_IN              entering:A  -          entering  entered    joining    joined     -          entering
SUBSCRIBED             joining:A   -          joining   joined:C   joining    joined:C   -          joining
SUBSCRIBED_AS_MEMBER   joining:A   -          -         -          joining    anew:A     anew       joining
SUBSCRIBED_AS_ANOTHER  -           -          -         -          joining:A  anew:A     anew       joining:A
UNIDENTIFIED           pending:W   -          -         -          joining:R  joined:R   anew:R     pending:W
UNINFORMED             pending:W   -          -         -          joining:W  joined:W   anew:W     pending:W
ADMITTED               absent:L    pending:L  entered   entered    joined:CG  joined:C   joined:C   absent:L
REFUSED                absent      pending    absent    absent:L   absent:R   absent:LR  absent:LR  absent
UNSUBSCRIBED           absent      absent     left:D    absent:L   left:D     absent:L   absent:L   left
CLOSED                 absent      absent     absent    absent:L   absent     absent:L   absent:L   absent
"""

NEWS, ROOM = "news", "presence-room"
ANN, BOB = Member("ann", "null"), Member("bob", "null")
NO = Refusal("AuthError", "no", 403)
CONFIRMED = Send(frames.succeeded(NEWS))


def expected() -> dict[tuple[State, Event], str]:
    """Read the table."""
    head, *rows = (line.split() for line in TABLE.strip().splitlines())
    return {
        (STATES[column], Event[row[0]]): cell
        for row in rows
        for column, cell in zip(head, row[1:], strict=True)
    }


def shown(state: State, event: Event) -> str:
    """Write a cell as the table has it."""
    (name,) = [name for name, each in STATES.items() if each is transition(state, event).state]
    initials = "".join(action.name[0] for action in transition(state, event).actions)
    return f"{name}:{initials}" if initials else name


@pytest.fixture
def pending() -> Pending:
    return Pending()


@pytest.fixture
def subscriptions(known: Verifier, pending: Pending) -> Subscriptions:
    return Subscriptions(Principal(SOCKET_ID, known, None), pending)


def joined(subscriptions: Subscriptions, channel: str, member: Member | None = None) -> None:
    subscriptions.subscribed(channel, member)
    subscriptions.admitted(channel, frames.joined(channel, {}) if member else None, ())


class TestTable:
    """Every state, and every event."""

    def test_is_whole(self) -> None:
        """Each cell is described here, and no state has been left out."""
        assert set(expected()) == set(CELLS)
        assert set(TRANSITIONS) == set(State)

    @pytest.mark.parametrize("state, event", CELLS)
    def test_cell(self, state: State, event: Event) -> None:
        """It says what is described, or that this cannot happen, in a sentence."""
        cell = expected()[state, event]

        if cell != "-":
            assert shown(state, event) == cell
            return
        with pytest.raises(AssertionError) as raised:
            transition(state, event)

        assert state.value in str(raised.value)
        assert event.value in str(raised.value)

    @pytest.mark.parametrize("state", State)
    def test_ends(self, state: State) -> None:
        """A closed connection is nothing to any channel, and leaves only those that were joined."""
        after, actions = transition(state, Event.CLOSED)

        assert after is State.ABSENT
        joined = {State.ENTERED, State.JOINED, State.ASKED_ANEW}
        assert (Action.LEAVE in actions) == (state in joined)

    @pytest.mark.parametrize("state", State)
    def test_one_answer(self, state: State) -> None:
        """A client hears one thing at most of each event."""
        heard = {Action.CONFIRM, Action.REFUSE}
        answers = [[a for a in each.actions if a in heard] for each in TRANSITIONS[state].values()]

        assert all(len(answer) <= 1 for answer in answers)

    def test_reached(self) -> None:
        """There is a way from nothing into every state."""
        reached, steps = {State.ABSENT}, [State.ABSENT]
        while steps:
            for after, _ in TRANSITIONS[steps.pop()].values():
                if after not in reached:
                    reached.add(after)
                    steps.append(after)

        assert reached == set(State)


class TestJoining:
    """From a subscribe to its answer."""

    def test_joined(self, subscriptions: Subscriptions) -> None:
        """A newcomer is confirmed, and then greeted."""
        assert subscriptions.subscribed(NEWS, None) == [Ask(NEWS, None)]
        assert not subscriptions.is_subscribed(NEWS)

        assert subscriptions.admitted(NEWS, None, (b"hello",)) == [CONFIRMED, Send(b"hello")]
        assert subscriptions.is_subscribed(NEWS)

    def test_twice(self, subscriptions: Subscriptions) -> None:
        """Who subscribes twice is confirmed twice, without a question."""
        joined(subscriptions, NEWS)

        assert subscriptions.subscribed(NEWS, None) == [CONFIRMED]

    def test_anew(self, subscriptions: Subscriptions) -> None:
        """A member that subscribes twice sees the members anew, and is not greeted again."""
        joined(subscriptions, ROOM, ANN)

        assert subscriptions.subscribed(ROOM, ANN) == [Ask(ROOM, ANN)]
        assert subscriptions.members() == [(ROOM, ANN)]
        view = Send(frames.joined(ROOM, {"ann": "null"}))
        assert subscriptions.admitted(ROOM, frames.joined(ROOM, {"ann": "null"}), (b"hello",)) == [
            view
        ]

    def test_as_another(self, subscriptions: Subscriptions) -> None:
        """Who has joined stays whom it is there; who is still joining may be another."""
        subscriptions.subscribed(ROOM, ANN)

        assert subscriptions.subscribed(ROOM, BOB) == [Ask(ROOM, BOB)]
        subscriptions.admitted(ROOM, frames.joined(ROOM, {}), ())
        assert subscriptions.subscribed(ROOM, ANN) == [Ask(ROOM, BOB)]
        assert subscriptions.member(ROOM) == BOB

    def test_back_in_time(self, subscriptions: Subscriptions) -> None:
        """One answer is enough for who left and came back meanwhile."""
        subscriptions.subscribed(NEWS, None)
        subscriptions.unsubscribed(NEWS)

        assert subscriptions.subscribed(NEWS, None) == []
        assert subscriptions.admitted(NEWS, None, ()) == [CONFIRMED]

    def test_refused(self, subscriptions: Subscriptions) -> None:
        """Who is refused is nothing to the channel; who had joined is taken off first."""
        subscriptions.subscribed(NEWS, None)
        joined(subscriptions, ROOM, ANN)

        assert subscriptions.refused(NEWS, NO) == [Refuse(NEWS, NO)]
        assert subscriptions.refused(ROOM, NO) == [Leave(ROOM), Refuse(ROOM, NO)]
        assert len(subscriptions) == 0
        assert subscriptions.member(ROOM) is None


class TestWaiting:
    """Subscribes that wait until it is known who the client is."""

    def test_unidentified(self, subscriptions: Subscriptions, pending: Pending) -> None:
        """It waits, for a time, and counts as a channel."""
        assert subscriptions.unidentified(NEWS, NotIdentified(), until=5.0) == [Watch()]

        assert pending.due == 5.0
        assert NEWS in subscriptions
        assert [waiting.data for waiting in pending.take()] == [Subscribe(NEWS)]

    def test_another_right(self, subscriptions: Subscriptions, pending: Pending) -> None:
        """Who is in the channel by another right is told at once, and stays."""
        joined(subscriptions, NEWS)

        (told,) = subscriptions.unidentified(NEWS, NotIdentified(), until=5.0)

        assert isinstance(told, Refuse)
        assert subscriptions.is_subscribed(NEWS)
        assert pending.take() == []

    def test_uninformed(self, subscriptions: Subscriptions, pending: Pending) -> None:
        """No more of the subscribe is kept than is needed; its client stays in the channel."""
        joined(subscriptions, NEWS)

        assert subscriptions.uninformed(Subscribe(NEWS, "token", "data")) == [Watch()]

        (kept,) = pending.take()
        assert kept.data == Subscribe(NEWS, "token")
        assert subscriptions.is_subscribed(NEWS)

    @pytest.mark.parametrize("end", ["looked_at", "unsubscribed"])
    def test_no_more(self, subscriptions: Subscriptions, pending: Pending, end: str) -> None:
        """What is looked at or given up waits no more."""
        subscriptions.unidentified(NEWS, NotIdentified(), until=5.0)

        getattr(subscriptions, end)(NEWS)

        assert subscriptions.state(NEWS) is State.ABSENT
        assert pending.take() == []

    def test_late_answer(self, subscriptions: Subscriptions, pending: Pending) -> None:
        """The answer to an earlier question does not end the waiting."""
        subscriptions.subscribed(ROOM, ANN)
        subscriptions.unsubscribed(ROOM)
        subscriptions.uninformed(Subscribe(ROOM, "token"))

        assert subscriptions.admitted(ROOM, frames.joined(ROOM, {}), ()) == [Leave(ROOM)]
        assert subscriptions.state(ROOM) is State.PENDING
        assert subscriptions.member(ROOM) is None
        assert len(pending.take()) == 1


class TestLeaving:
    """Unsubscribing, and the end of the connection."""

    def test_unsubscribed(self, subscriptions: Subscriptions) -> None:
        """Who leaves does not count as one that may return."""
        joined(subscriptions, NEWS)

        assert subscriptions.unsubscribed(NEWS) == [Leave(NEWS, returns=False)]
        assert subscriptions.unsubscribed(NEWS) == []

    def test_while_joining(self, subscriptions: Subscriptions) -> None:
        """Who gives up what was not asked yet is nothing to the channel, and hears nothing of it."""
        subscriptions.subscribed(NEWS, None)

        assert subscriptions.unsubscribed(NEWS) == [Withdraw(NEWS)]
        assert subscriptions.unsubscribed(NEWS) == []
        assert subscriptions.refused(NEWS, WITHDRAWN) == []
        assert len(subscriptions) == 0

    def test_closed(self, subscriptions: Subscriptions) -> None:
        """A closed connection leaves what it has joined, and may return; so with late answers."""
        joined(subscriptions, NEWS)
        joined(subscriptions, ROOM, ANN)
        subscriptions.subscribed("late", None)

        assert subscriptions.closed() == [Leave(NEWS, returns=True), Leave(ROOM, returns=True)]
        assert subscriptions.admitted("late", None, ()) == [Leave("late", returns=True)]
        assert len(subscriptions) == 0
        assert subscriptions.members() == []
