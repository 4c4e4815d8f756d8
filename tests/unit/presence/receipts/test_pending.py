"""What subscribers are told of marks, and how often."""

from hypothesis import given
from hypothesis import strategies as st

from libs.common.channels import Channel
from libs.common.marks.mark import Mark
from libs.common.marks.port import Reading
from services.presence.receipts.pending import LISTED, PAUSE, REMEMBERED, PendingMarks

ROOM = Channel("1", "private-chat.7")
OTHER = Channel("1", "private-chat.8")
T = 1000.0


def reading(number: int, user: str = "7", *, channel: Channel = ROOM, epoch: str = "") -> Reading:
    return Reading(channel, user, Mark(number, epoch))


def test_newest_of_each() -> None:
    """Of each user the newest is told, and once."""
    pending = PendingMarks()
    for number in (1, 3, 2):
        assert pending.put(reading(number))
    assert pending.put(reading(9, "8"))

    assert pending.due(T) == [ROOM]
    assert pending.take(ROOM, T) == {"7": Mark(3), "8": Mark(9)}
    assert (pending.due(T + PAUSE), pending.next_at()) == ([], None)


def test_pause() -> None:
    """A channel is told at most so often; others have a time of their own."""
    pending = PendingMarks()
    pending.put(reading(1))
    pending.take(ROOM, T)
    pending.put(reading(2))
    pending.put(reading(1, channel=OTHER))

    assert pending.due(T + PAUSE / 2) == [OTHER]
    pending.take(OTHER, T + PAUSE / 2)
    assert pending.next_at() == T + PAUSE
    assert pending.due(T + PAUSE) == [ROOM]


def test_never_back() -> None:
    """A mark that comes late is not told after a higher one; an equal one is told again."""
    pending = PendingMarks()
    pending.put(reading(5))
    pending.take(ROOM, T)

    assert not pending.put(reading(4))
    assert pending.due(T + PAUSE) == []
    assert pending.put(reading(5))
    assert pending.take(ROOM, T + PAUSE) == {"7": Mark(5)}


def test_epochs() -> None:
    """In another epoch numbers begin anew."""
    pending = PendingMarks()
    pending.put(reading(5, epoch="a"))
    pending.take(ROOM, T)

    assert pending.put(reading(1, epoch="b"))
    assert pending.take(ROOM, T + PAUSE) == {"7": Mark(1, "b")}


def test_many_users() -> None:
    """What is too much for one announcement waits for the next, in the order of coming."""
    pending = PendingMarks()
    for number in range(LISTED + 1):
        pending.put(reading(1, f"{number}"))

    assert len(pending.take(ROOM, T)) == LISTED
    assert pending.due(T) == []
    assert pending.take(ROOM, T + PAUSE) == {f"{LISTED}": Mark(1)}


def test_forgotten() -> None:
    """What is remembered of a channel goes when it has been quiet for a while."""
    pending = PendingMarks()
    for number in range(100):
        channel = Channel("1", f"private-{number}")
        pending.put(reading(1, channel=channel))
        pending.take(channel, T)
    pending.put(reading(1))
    pending.take(ROOM, T + REMEMBERED)

    assert len(pending) == 1


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["7", "8"]), st.booleans())))
def test_in_any_order(told: list[tuple[int, str, bool]]) -> None:
    """Whatever comes in whatever order, subscribers see each user's highest, and never a lower one."""
    pending, now = PendingMarks(), T
    seen: dict[str, int] = {}
    for number, user, is_taken in [*told, (0, "7", True), (0, "8", True)]:
        pending.put(reading(number, user))
        if is_taken:
            now += PAUSE
            for channel in pending.due(now):
                for who, mark in pending.take(channel, now).items():
                    assert seen.get(who, 0) <= mark.number
                    seen[who] = mark.number

    for user in ("7", "8"):
        assert seen.get(user, 0) == max([n for n, who, _ in told if who == user], default=0)
