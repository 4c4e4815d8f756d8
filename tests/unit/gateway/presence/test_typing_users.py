"""Who types on a gateway, and what is reported of it, and when."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.channels import Channel
from services.gateway.presence.typing_users import Stands, TypingUsers, Typist

TTL = 6.0
ROOM, OTHER = Channel("1", "presence-room"), Channel("1", "presence-other")
ANN, BOB = Typist(ROOM, "ann"), Typist(ROOM, "bob")


class Gateway:
    """
    A gateway whose reports arrive at once, unless the typists are away.

    Attributes:
        held: Until when the typists hold that a user types.
        reports: What was reported, in order, with the instant.
    """

    def __init__(self, most: int = 100) -> None:
        self.users: TypingUsers[str] = TypingUsers(TTL, most=most)
        self.now = 0.0
        self.is_away = False
        self.held: dict[Typist, float] = {}
        self.reports: list[tuple[float, Stands]] = []
        self._waiting: dict[Typist, None] = {}

    def types(self, connection: str, typist: Typist = ANN) -> None:
        self._put(self.users.types(connection, typist, now=self.now))

    def stops(self, connection: str, channel: Channel = ROOM) -> None:
        self._put(self.users.stops(connection, channel, now=self.now))

    def has_sent(self, typist: Typist = ANN) -> None:
        self._put(self.users.has_sent(typist, now=self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass, and look at users when they are due."""
        until = self.now + seconds
        while (due := self.users.due) <= until:
            self.now = due
            self._put(self.users.look(due))
        self.now = until

    def back(self) -> None:
        self.is_away = False
        self._put([])

    def published(self, typist: Typist = ANN) -> None:
        """Have a back end publish what a user has typed."""
        self.held.pop(typist, None)

    def typing(self) -> set[Typist]:
        """Tell who types as far as the typists know."""
        return {typist for typist, until in self.held.items() if until > self.now}

    def said(self) -> list[tuple[float, str, float | None]]:
        return [(at, each.typist.user_id, each.lasts) for at, each in self.reports]

    def _put(self, typists: Sequence[Typist]) -> None:
        self._waiting.update(dict.fromkeys(typists))
        for typist in tuple(self._waiting):
            stands = self.users.stands(typist, now=self.now)
            if stands is None:
                del self._waiting[typist]
            elif not self.is_away:
                del self._waiting[typist]
                self.reports.append((self.now, stands))
                self.users.reported(stands, is_taken=self._takes(stands))

    def _takes(self, stands: Stands) -> bool:
        if stands.has_sent or stands.lasts == 0:
            self.held.pop(stands.typist, None)
        if stands.renews and stands.lasts and self.held.get(stands.typist, 0.0) <= self.now:
            return False
        if stands.lasts:
            self.held[stands.typist] = self.now + stands.lasts
        return True


@pytest.fixture
def here() -> Gateway:
    return Gateway()


class TestReports:
    """What is reported, and when."""

    def test_example(self, here: Gateway) -> None:
        """
        The example that the module gives.
        """
        here.types("a")
        here.wait(1)
        here.types("a")
        here.wait(4)
        here.types("a")
        here.wait(20)

        assert here.said() == [(0, "ann", 6), (2, "ann", 5), (5, "ann", 6)]
        assert here.held == {ANN: 11}
        assert len(here.users) == 0

    def test_many_words(self, here: Gateway) -> None:
        """
        However fast they come, few are reported.
        """
        for _ in range(600):
            here.types("a")
            here.wait(0.1)

        assert len(here.reports) == pytest.approx(60 / (TTL / 3), abs=2)
        assert here.typing() == {ANN}

    def test_stops(self, here: Gateway) -> None:
        here.types("a")
        here.wait(1)
        here.stops("a")

        assert here.said() == [(0, "ann", 6), (1, "ann", 0)]
        assert here.typing() == set()
        here.stops("a")
        assert len(here.reports) == 2

    def test_begins_again(self, here: Gateway) -> None:
        """
        Who begins again in the next moment is reported at once.
        """
        for _ in range(2):
            here.types("a")
            here.stops("a")
        here.types("a")

        assert [lasts for _, _, lasts in here.said()] == [6, 0, 6, 0, 6]

    def test_second_tab(self, here: Gateway) -> None:
        """
        While another connection types the user does, and for as long as the word of that one counts.
        """
        here.types("a")
        here.wait(1)
        here.types("b")
        here.wait(2)
        here.types("a")
        here.stops("a")

        assert here.held == {ANN: 7}
        here.stops("b")
        assert here.typing() == set()

    def test_another_user(self, here: Gateway) -> None:
        """
        Who types as another than before types as that one alone.
        """
        here.types("a")
        here.types("a", BOB)

        assert here.typing() == {BOB}

    def test_sent(self, here: Gateway) -> None:
        """
        That is reported whether or not the user types here, and once.
        """
        here.types("a")
        here.has_sent()
        here.has_sent(BOB)
        here.wait(TTL)

        assert [bool(each.has_sent) for _, each in here.reports] == [False, True, True]
        assert here.typing() == set()
        assert len(here.users) == 0

    def test_types_on(self, here: Gateway) -> None:
        """
        Who has sent something may begin anew in the same moment.
        """
        here.types("a")
        here.is_away = True
        here.has_sent()
        here.types("a")
        here.back()

        (_, last) = here.reports[-1]
        assert (bool(last.has_sent), last.lasts) == (True, 6)
        assert here.typing() == {ANN}

    def test_published(self, here: Gateway) -> None:
        """
        What is published meanwhile is typed no more, though the last word was not reported yet.
        """
        here.types("a")
        here.wait(1)
        here.types("a")
        here.published()
        here.wait(2)

        assert here.typing() == set()
        here.types("a")
        assert here.typing() == {ANN}
        assert here.users.restated() == [ANN]

    def test_restated(self, here: Gateway) -> None:
        """
        All is said again, with what is left.
        """
        here.types("a")
        here.wait(1)
        here.types("b", BOB)

        assert here.users.restated() == [ANN, BOB]
        stands = here.users.stands(ANN, now=1.0)
        assert stands is not None
        assert (stands.lasts, stands.renews) == (5, False)


class TestAway:
    """What becomes of reports that nobody takes."""

    def test_newest(self, here: Gateway) -> None:
        """
        Told is what stands then; a report that failed may have been taken, and is ended as well.
        """
        here.is_away = True
        here.types("a")
        here.types("b", BOB)
        here.wait(1)
        here.stops("a")
        here.wait(1)

        here.back()

        assert here.said() == [(2, "ann", 0), (2, "bob", 4)]

    def test_over(self, here: Gateway) -> None:
        """
        What is over by then is not told at all, also where it was the end of something.
        """
        here.types("a")
        here.is_away = True
        here.stops("a")
        here.has_sent(BOB)
        here.wait(TTL)

        here.back()

        assert len(here.reports) == 1
        assert len(here.users) == 0

    def test_stop_fails(self, here: Gateway) -> None:
        """
        An end is told however often that has failed; a new beginning takes its place.
        """
        here.types("a")
        here.is_away = True
        here.stops("a")
        here.wait(1)
        here.back()
        assert here.said()[-1] == (1, "ann", 0)

        here.types("a")
        here.is_away = True
        here.stops("a")
        here.types("a")
        here.back()
        assert here.said()[-1] == (1, "ann", 6)


class TestBound:
    """Memory is bounded."""

    def test_full(self) -> None:
        """
        At the bound there is room for who is known alone, until somebody is forgotten.
        """
        here = Gateway(most=1)
        assert not here.users.has_no_room_for(ANN)
        here.types("a")

        assert here.users.has_no_room_for(BOB)
        assert not here.users.has_no_room_for(ANN)
        here.wait(2 * TTL)
        assert not here.users.has_no_room_for(BOB)


class Naive:
    """Remembers every word, and looks at all of them."""

    def __init__(self) -> None:
        self.words: dict[tuple[str, Channel], tuple[str, float]] = {}

    def has_sent(self, typist: Typist) -> None:
        self.words = {
            (connection, channel): (user, until)
            for (connection, channel), (user, until) in self.words.items()
            if (channel, user) != typist
        }

    def typing(self, now: float) -> set[Typist]:
        return {
            Typist(channel, user)
            for (_, channel), (user, until) in self.words.items()
            if until > now
        }


connections, channels, names = (
    st.sampled_from("ab"),
    st.sampled_from((ROOM, OTHER)),
    st.sampled_from(("ann", "bob")),
)
steps = st.one_of(
    st.tuples(st.just("types"), connections, channels, names),
    st.tuples(st.just("stops"), connections, channels, names),
    st.tuples(st.just("sent"), connections, channels, names),
    st.tuples(st.just("published"), connections, channels, names),
    st.floats(0.01, 8.0).map(lambda seconds: ("wait", seconds)),
    st.just(("away",)),
    st.just(("back",)),
)


@given(st.lists(steps, max_size=40))
def test_model(history: list[tuple[object, ...]]) -> None:
    """
    Whenever the typists are there they hold exactly what a naive memory of all words says.

    Of whom a publish names they hold no more than that: until the next report but one it may be less.
    """
    here, naive = Gateway(), Naive()
    published: set[Typist] = set()
    for step in history:
        match step:
            case ("types", str(connection), Channel() as channel, str(user)):
                here.types(connection, Typist(channel, user))
                naive.words[connection, channel] = user, here.now + TTL
            case ("stops", str(connection), Channel() as channel, _):
                here.stops(connection, channel)
                naive.words.pop((connection, channel), None)
            case ("sent", _, Channel() as channel, str(user)):
                here.has_sent(Typist(channel, user))
                naive.has_sent(Typist(channel, user))
            case ("published", _, Channel() as channel, str(user)):
                here.published(Typist(channel, user))
                naive.has_sent(Typist(channel, user))
                published.add(Typist(channel, user))
            case ("wait", float(seconds)):
                here.wait(seconds)
            case ("away",):
                here.is_away = True
            case _:
                here.back()
        if not here.is_away:
            assert here.typing() - published == naive.typing(here.now) - published
            assert here.typing() <= naive.typing(here.now)
    here.back()
    here.wait(3 * TTL)
    assert len(here.users) == 0
    assert not here.users._as_whom
