"""Facts and the names of their records."""

import re

from libs.common.lifecycle.facts import ABOUT_USERS, KINDS, Fact, Kind, Recorded, Stream
from libs.common.lifecycle.redis import FACTS


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


def test_subjects() -> None:
    """What has come, and what has gone, is said of the same; other things are apart."""
    kinds: tuple[Kind, ...] = (*KINDS, "client_read")
    subjects = [Fact(kind=kind, app="1", channel="a", user="b").subject for kind in kinds]

    occupied, vacated, added, removed, online, offline, event, miss, count, read, word = subjects
    assert occupied == vacated
    assert added == removed
    assert online == offline
    assert event is miss is None
    assert len({occupied, added, online, count, read, word}) == 6


def test_subjects_of_scripts() -> None:
    """The scripts tell subjects apart as this does."""
    lines = re.findall(r"^  (\w+) = '(\w+)',$", FACTS.read_text(encoding="utf-8"), re.MULTILINE)

    kinds: tuple[Kind, ...] = (*KINDS, "client_read")
    known = ((kind, Fact(kind=kind, app="1").subject) for kind in kinds)
    assert dict(lines) == {kind: subject[0] for kind, subject in known if subject}
