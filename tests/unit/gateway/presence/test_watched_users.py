"""Who watches whom, and what each watcher is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.channels import Channel, online_channel
from services.gateway.presence.watched_users import News, WatchedUsers

NOTHING = News([], [])


def of(*users: str) -> list[Channel]:
    return [online_channel("1", user) for user in users]


ANN, BOB, CAT = of("ann", "bob", "cat")


@pytest.fixture
def users() -> WatchedUsers[str]:
    """Return a place where three may be watched, of whom Ann and Bob are, by one watcher."""
    users: WatchedUsers[str] = WatchedUsers(3)
    users.watch("w", [ANN, BOB])
    return users


class TestBegin:
    """What a watcher is told first."""

    def test_whole(self, users: WatchedUsers[str]) -> None:
        """
        It is told of all at once, when all are known.
        """
        users.learn(ANN, is_online=True)
        assert users.news("w") == NOTHING
        users.learn(BOB, is_online=False)

        assert users.stirred() == ("w",)
        assert users.news("w") == News(["ann"], ["bob"])
        assert users.news("w") == NOTHING
        assert users.stirred() == ()

    def test_missed(self, users: WatchedUsers[str]) -> None:
        """
        Nobody waits for what could not be found out; it is told when it is known.
        """
        users.learn(ANN, is_online=True)
        users.miss([BOB, CAT])
        assert users.news("w") == News(["ann"], [])

        users.learn(BOB, is_online=False)
        assert users.stirred() == ("w",)
        assert users.news("w") == News([], ["bob"])

    def test_known_already(self, users: WatchedUsers[str]) -> None:
        """
        Who comes later is told what is known.
        """
        users.learn(ANN, is_online=True)
        assert users.is_known(ANN)
        assert not users.is_known(BOB)
        assert not users.is_known(CAT)

        users.watch("later", [ANN])

        assert "later" in users.stirred()
        assert users.news("later") == News(["ann"], [])


class TestDifferences:
    """What it is told after that."""

    @pytest.fixture(autouse=True)
    def begun(self, users: WatchedUsers[str]) -> None:
        for channel in (ANN, BOB):
            users.learn(channel, is_online=False)
        users.news("w")
        users.stirred()

    def test_several(self, users: WatchedUsers[str]) -> None:
        """
        What changed meanwhile is told together, each user once.
        """
        users.learn(ANN, is_online=True)
        users.learn(BOB, is_online=True)
        users.learn(BOB, is_online=False)

        assert users.stirred() == ("w",)
        assert users.news("w") == News(["ann"], [])

    def test_same(self, users: WatchedUsers[str]) -> None:
        users.learn(ANN, is_online=False)

        assert users.stirred() == ()

    def test_nobody_watches(self, users: WatchedUsers[str]) -> None:
        users.learn(CAT, is_online=True)

        assert CAT not in users
        assert users.stirred() == ()


class TestUnwatch:
    """Nobody is told what it does not want to know."""

    def test_forgotten(self, users: WatchedUsers[str]) -> None:
        """
        Who was watched by nobody else is forgotten, with what was known.
        """
        users.watch("other", [BOB])
        users.learn(ANN, is_online=True)

        assert users.unwatch("w") == [ANN]

        assert users.stirred() == ("other",)
        assert users.news("w") == NOTHING
        assert users.channels() == (BOB,)
        assert users.unwatch("w") == []
        assert users.unwatch("other") == [BOB]
        assert len(users) == 0

    def test_nobody(self, users: WatchedUsers[str]) -> None:
        """
        Who watches nobody is no watcher.
        """
        assert not users.watch("empty", [])
        assert users.unwatch("empty") == []


def test_too_many(users: WatchedUsers[str]) -> None:
    """Beyond the bound only those are watched who are watched already."""
    dan, eve = of("dan", "eve")

    assert list(users.watch("other", [ANN, dan, eve])) == [ANN, dan]
    assert not users.watch("third", [eve])

    users.unwatch("w")
    assert list(users.watch("third", [eve])) == [eve]


@given(st.lists(st.tuples(st.sampled_from([ANN, BOB, CAT]), st.booleans(), st.booleans())))
def test_model(changes: list[tuple[Channel, bool, bool]]) -> None:
    """What a watcher was told adds up to what is so, and nothing is told that it knows."""
    users: WatchedUsers[str] = WatchedUsers(10)
    users.watch("w", [ANN, BOB, CAT])
    truth: dict[Channel, bool] = {}
    told: dict[Channel, bool] = {}
    for channel, is_online, asks in changes:
        users.learn(channel, is_online=is_online)
        truth[channel] = is_online
        if asks:
            online, offline = users.news("w")
            news = {**dict.fromkeys(of(*online), True), **dict.fromkeys(of(*offline), False)}
            assert all(told.get(each) != state for each, state in news.items())
            told.update(news)
    users.miss([ANN, BOB, CAT])
    online, offline = users.news("w")
    told.update({**dict.fromkeys(of(*online), True), **dict.fromkeys(of(*offline), False)})

    assert told == truth


class TestApps:
    """An app whose clients watch all they can leaves room for others."""

    def test_shares(self) -> None:
        users: WatchedUsers[str] = WatchedUsers(100)
        other = online_channel("2", "ann")

        taken = users.watch("greedy", of(*map(str, range(100))))

        assert len(taken) == 91
        assert users.watch("w", [other]) == {other: None}
        users.unwatch("greedy")
        assert len(users.watch("greedy", of(*map(str, range(100))))) == 90
