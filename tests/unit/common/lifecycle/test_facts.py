"""Facts and the names of their records."""

from libs.common.lifecycle.facts import ABOUT_USERS, KINDS, Fact, Recorded, Stream


def test_id() -> None:
    """The same record has the same name again; another stream, number or epoch has another one."""
    fact = Fact(kind="channel_occupied", app="1", channel="room")
    names = {
        Recorded(stream, number, epoch, fact).id
        for stream in (Stream("1", 0), Stream("1", 1), Stream("2", 0))
        for number in (1, 2)
        for epoch in ("a", "b")
    }

    assert len(names) == 12
    assert Recorded(Stream("1", 0), 1, "a", fact).id in names


def test_about_users() -> None:
    assert set(KINDS) > ABOUT_USERS
