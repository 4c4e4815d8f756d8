"""What subscribers are told of marks, and how often."""

import pytest
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


def told(pending: PendingMarks, now: float) -> dict[Channel, dict[str, Mark]]:
    """Tell all that is due."""
    every: dict[Channel, dict[str, Mark]] = {}
    while taken := pending.take(now):
        channel, every[channel] = taken
        pending.over(channel)
    return every


def test_newest_of_each() -> None:
    """Of each user the newest is told, and once."""
    pending = PendingMarks()
    for number in (1, 3, 2):
        assert pending.put(reading(number))
    assert pending.put(reading(9, "8"))

    assert told(pending, T) == {ROOM: {"7": Mark(3), "8": Mark(9)}}
    assert (told(pending, T + PAUSE), pending.next_at()) == ({}, None)


def test_pause() -> None:
    """A channel is told at most so often; others have a time of their own."""
    pending = PendingMarks()
    pending.put(reading(1))
    told(pending, T)
    pending.put(reading(2))
    pending.put(reading(1, channel=OTHER))

    assert set(told(pending, T + PAUSE / 2)) == {OTHER}
    assert pending.next_at() == T + PAUSE
    assert set(told(pending, T + PAUSE)) == {ROOM}


def test_longest_first() -> None:
    """Channels are told in the order in which they may be, whichever got news first."""
    pending = PendingMarks()
    for place, channel in enumerate((ROOM, OTHER)):
        pending.put(reading(1, channel=channel))
        told(pending, T + place * PAUSE / 2)
    for channel in (OTHER, ROOM):
        pending.put(reading(2, channel=channel))

    assert list(told(pending, T + 2 * PAUSE)) == [ROOM, OTHER]


def test_under_way() -> None:
    """Until it is known what became of an announcement the channel has no other."""
    pending = PendingMarks()
    pending.put(reading(1))
    pending.take(T)
    pending.put(reading(2))

    assert (pending.take(T + PAUSE), pending.next_at()) == (None, None)
    pending.over(ROOM)
    assert pending.take(T + PAUSE) == (ROOM, {"7": Mark(2)})


def test_never_back() -> None:
    """A mark that comes late is not told after a higher one; an equal one is told again."""
    pending = PendingMarks()
    pending.put(reading(5))
    told(pending, T)

    assert not pending.put(reading(4))
    assert told(pending, T + PAUSE) == {}
    assert pending.put(reading(5))
    assert told(pending, T + PAUSE) == {ROOM: {"7": Mark(5)}}


def test_epochs() -> None:
    """In another epoch numbers begin anew."""
    pending = PendingMarks()
    pending.put(reading(5, epoch="a"))
    told(pending, T)

    assert pending.put(reading(1, epoch="b"))
    assert told(pending, T + PAUSE) == {ROOM: {"7": Mark(1, "b")}}


def test_many_users() -> None:
    """What is too much for one announcement waits for the next, in the order of coming."""
    pending = PendingMarks()
    for number in range(LISTED + 1):
        pending.put(reading(1, f"{number}"))

    assert len(told(pending, T)[ROOM]) == LISTED
    assert told(pending, T) == {}
    assert told(pending, T + PAUSE) == {ROOM: {f"{LISTED}": Mark(1)}}


def test_forgotten() -> None:
    """What is remembered of a channel goes when it has been quiet for a while."""
    pending = PendingMarks()
    for number in range(100):
        pending.put(reading(1, channel=Channel("1", f"private-{number}")))
    told(pending, T)
    pending.put(reading(1))
    told(pending, T + REMEMBERED)

    assert len(pending) == 1


def test_busy_beside_quiet() -> None:
    """A channel that is told of again and again, the first there was, keeps nobody else's."""
    pending = PendingMarks()
    for channel in (ROOM, OTHER):
        pending.put(reading(1, channel=channel))
        told(pending, T)
    pending.put(reading(2))
    told(pending, T + REMEMBERED - PAUSE)
    pending.put(reading(3))
    told(pending, T + REMEMBERED)

    assert len(pending) == 1


def test_waiting_stays() -> None:
    """What waits is not forgotten, however long ago its channel was told of last."""
    pending = PendingMarks()
    for number in range(LISTED + 1):
        pending.put(reading(1, f"{number}"))
    told(pending, T)
    pending.put(reading(1, channel=OTHER))

    late = told(pending, T + 2 * REMEMBERED)

    assert late == {ROOM: {f"{LISTED}": Mark(1)}, OTHER: {"7": Mark(1)}}


def test_under_way_stays() -> None:
    """Nor is a channel that is told for long."""
    pending = PendingMarks()
    pending.put(reading(1))
    pending.take(T)
    pending.put(reading(1, channel=OTHER))
    told(pending, T + 2 * REMEMBERED)

    pending.over(ROOM)

    assert not pending.put(reading(0))


def test_busy_user() -> None:
    """Who reads on and on keeps nobody else's mark, also who was the first."""
    pending = PendingMarks()
    for user in ("7", "8"):
        pending.put(reading(5, user))
    told(pending, T)
    for step in (REMEMBERED - PAUSE, REMEMBERED):
        pending.put(reading(6))
        told(pending, T + step)

    assert not pending.put(reading(5))
    assert pending.put(reading(4, "8"))


@pytest.mark.parametrize("is_taken", [True, False])
def test_busy_channel(is_taken: bool) -> None:  # noqa: FBT001 - of parametrize
    """Of a channel that is never quiet marks are remembered no longer than of others."""
    pending = PendingMarks()
    pending.put(reading(5))
    for step in range(int(REMEMBERED / PAUSE) + is_taken):
        pending.put(reading(step, "8"))
        told(pending, T + step * PAUSE)

    assert pending.put(reading(4)) is is_taken


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["7", "8"]), st.booleans())))
def test_in_any_order(marks: list[tuple[int, str, bool]]) -> None:
    """Whatever comes in whatever order, subscribers see each user's highest, and never a lower one."""
    pending, now = PendingMarks(), T
    seen: dict[str, int] = {}
    for number, user, is_taken in [*marks, (0, "7", True), (0, "8", True)]:
        pending.put(reading(number, user))
        if is_taken:
            now += PAUSE
            for taken in told(pending, now).values():
                for who, mark in taken.items():
                    assert seen.get(who, 0) <= mark.number
                    seen[who] = mark.number

    for user in ("7", "8"):
        assert seen.get(user, 0) == max([n for n, who, _ in marks if who == user], default=0)
