"""Who types on a gateway, and what is reported of it, and when."""

import pytest

from libs.common.channels import Channel, ChannelUser
from libs.common.typists.port import Report
from tests.unit.gateway.presence.typing_gateway import ANN, BOB, ROOM, TTL, Gateway


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

        assert [each.reports[0].everywhere for _, each in here.reports] == [False, True, True]
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
        assert [(each.everywhere, each.lasts) for each in last.reports] == [(True, 0), (False, 6)]
        assert here.typing() == {ANN}

    def test_published(self, here: Gateway) -> None:
        """
        What was typed before a publish is typed no more, though it was not reported yet.
        """
        here.types("a")
        here.wait(1)
        here.types("a")
        here.wait(0.1)
        here.published()
        here.wait(2)

        assert here.typing() == set()
        here.types("a")
        assert here.typing() == {ANN}

    def test_first_word_is_late(self, here: Gateway) -> None:
        """
        A first word that is reported after the publish brings nobody back.
        """
        here.is_away = True
        here.types("a")
        here.wait(0.1)
        here.published()
        here.wait(0.1)
        here.back()

        assert here.typing() == set()
        assert here.said() == [(0.2, "ann", 5.8)]
        here.wait(TTL)
        assert here.typing() == set()

    def test_types_on_after_a_publish(self, here: Gateway) -> None:
        """
        Who types on after it is in the list again with the next report, for as long as it says so.
        """
        here.types("a")
        here.wait(1)
        here.published()
        here.wait(0.1)
        here.types("a")

        here.wait(1)

        assert here.held == {ANN: pytest.approx(7.1)}

    def test_word_meanwhile(self, here: Gateway) -> None:
        """
        A word that comes while a report is on its way that is refused is reported at once.
        """
        here.types("a")
        here.types("b")
        report = here.users.take_report(ANN, now=0.0)
        assert report is not None
        here.users.types("b", ANN, now=1.0)

        assert here.users.reported(report, is_taken=False) == [ANN]
        again = here.users.take_report(ANN, now=2.0)
        assert again is not None
        assert [(each.lasts, each.age) for each in again.reports] == [(5, 1)]
        assert here.users.reported(again, is_taken=False) == []
        assert here.users.take_report(ANN, now=2.0) is None

    def test_former_word(self, here: Gateway) -> None:
        """
        A connection whose word was said before the publish keeps nobody in the list.
        """
        here.types("a")
        here.wait(1)
        here.published()
        here.wait(2)
        here.types("b")

        here.stops("b")

        assert here.typing() == set()

    def test_refused(self, here: Gateway) -> None:
        """
        Who was refused is reported with its next word, however soon that comes.
        """
        here.types("a")
        here.wait(1)
        here.published()
        report = here.users.take_report(ANN, now=1.0)
        assert report is not None
        here.users.reported(report, is_taken=False)

        assert here.users.types("a", ANN, now=1.1) == [ANN]

    def test_sent_twice(self, here: Gateway) -> None:
        """
        That something more was sent while that was reported is reported as well.
        """
        here.users.has_sent(ANN, now=0.0)
        report = here.users.take_report(ANN, now=1.0)
        assert report is not None
        here.users.has_sent(ANN, now=1.5)
        here.users.reported(report, is_taken=True)

        again = here.users.take_report(ANN, now=2.0)

        assert [(each.everywhere, each.age) for each in report.reports] == [(True, 1)]
        assert again is not None
        assert [(each.everywhere, each.age) for each in again.reports] == [(True, 0.5)]

    def test_restated(self, here: Gateway) -> None:
        """
        All is said again, with what is left.
        """
        here.types("a")
        here.wait(1)
        here.types("b", BOB)

        assert here.users.restated() == [ANN, BOB]
        report = here.users.take_report(ANN, now=1.0)
        assert report is not None
        assert report.reports == (Report(*ANN, "g1", 5, age=1),)


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

    def test_sent(self, here: Gateway) -> None:
        """
        That something was sent is kept for as long as it matters, also of who does not type here.
        """
        here.held[ANN] = 100.0
        here.is_away = True
        here.has_sent()
        here.wait(TTL - 1)

        here.back()

        assert here.typing() == set()
        assert here.ended == {ANN: 0}

    def test_longer_word(self, here: Gateway) -> None:
        """
        What the typists may hold for longer than any word is left to count is ended.
        """
        here.types("a")
        here.wait(2)
        here.types("b")
        here.is_away = True
        here.stops("b")
        here.wait(5)

        here.back()

        assert here.said() == [(0, "ann", 6), (2, "ann", 6), (7, "ann", 0)]
        assert here.typing() == set()

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

    def test_apps(self) -> None:
        """
        An app whose users all type leaves room for another's, until they are forgotten.
        """
        here = Gateway(most=100)
        typists = [ChannelUser(ROOM, str(number)) for number in range(100)]
        for typist in typists:
            if not here.users.has_no_room_for(typist):
                here.types("a", typist)

        assert len(here.users) == 91
        assert not here.users.has_no_room_for(ChannelUser(Channel("2", "presence-room"), "ann"))
        here.wait(2 * TTL)
        assert len(here.users) == 0
        assert not here.users.has_no_room_for(ANN)
