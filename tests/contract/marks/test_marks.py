"""The contract of `marks.Marks`, on memory and on PostgreSQL."""

import time
from collections.abc import AsyncIterator

import pytest

from libs.common.channels import MAX_USER_ID, Channel
from libs.common.marks.mark import MOST, Mark
from libs.common.marks.port import AT_ONCE, Marks, Reading, TooManyMarks
from tests.support.ports.marks import READERS, opened_marks
from tests.support.ports.sightings import MEMORY

ROOM = Channel("1", "private-chat.7")
OTHER = Channel("1", "private-chat.8")
ELSEWHERE = Channel("2", "private-chat.7")
EMOJI = "\N{GRINNING FACE}" * MAX_USER_ID
HOUR = 3600.0  # Seconds.

Both = tuple[Marks, Marks]


@pytest.fixture(params=[MEMORY, "database_url"], ids=["memory", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """Name the backend."""
    return MEMORY if request.param == MEMORY else str(request.getfixturevalue(request.param))


@pytest.fixture
async def both(url: str) -> AsyncIterator[Both]:
    """Yield marks as two processes have them."""
    async with opened_marks(url) as both:
        yield both


@pytest.fixture
def one(both: Both) -> Marks:
    """Return the marks as the first process has them."""
    return both[0]


def read(*told: tuple[str, int], channel: Channel = ROOM, epoch: str = "") -> list[Reading]:
    """Make readings of users of a channel."""
    return [Reading(channel, user, Mark(number, epoch)) for user, number in told]


class TestMove:
    """A mark moves forward alone."""

    async def test_forward(self, both: Both) -> None:
        first = await both[0].move(read(("7", 1), ("8", 5)))
        second = await both[1].move(read(("7", 3), ("9", 0)))

        assert (first, second) == ([Mark(1), Mark(5)], [Mark(3), Mark(0)])
        assert await both[0].mark(ROOM, "7") == Mark(3)

    async def test_back(self, both: Both) -> None:
        """The answer is the mark that stands, also where it was moved elsewhere."""
        await both[0].move(read(("7", 9)))

        assert await both[1].move(read(("7", 3), ("7", 9))) == [Mark(9), Mark(9)]

    async def test_in_order(self, one: Marks) -> None:
        """What is answered is what stands after all of them."""
        assert await one.move(read(("7", 3), ("7", 9), ("8", 1), ("7", 4))) == [
            *[Mark(9)] * 2,
            Mark(1),
            Mark(9),
        ]

    async def test_epochs(self, one: Marks) -> None:
        """Another epoch is taken, whatever its number; within one nothing moves back."""
        await one.move(read(("7", 9), epoch="a"))
        other = await one.move(read(("7", 2), ("7", 1), epoch="b"))

        assert other == [Mark(2, "b")] * 2

    async def test_epochs_of_one_call(self, one: Marks) -> None:
        """Each is moved as if it were alone, in order."""
        await one.move(read(("7", 9), epoch="a"))

        answers = await one.move([*read(("7", 3), epoch="b"), *read(("7", 2), ("7", 1), epoch="a")])

        assert answers == [Mark(2, "a")] * 3

    async def test_kinds(self, one: Marks) -> None:
        """A channel whose marks become positions begins anew."""
        await one.move(read(("7", 9)))

        assert await one.move(read(("7", 3), epoch="a")) == [Mark(3, "a")]

    async def test_apart(self, one: Marks) -> None:
        """Channels, users and apps are told apart."""
        readings = [
            *read(("7", 1)),
            *read(("7", 2), channel=OTHER),
            *read(("7", 3), channel=ELSEWHERE),
        ]
        await one.move(readings)

        assert [await one.mark(*reading[:2]) for reading in readings] == [
            Mark(1),
            Mark(2),
            Mark(3),
        ]
        assert await one.mark(ROOM, "8") is None

    async def test_many(self, one: Marks) -> None:
        """As many as may be are moved at once, and none is no fault; the largest are exact."""
        readings = [
            Reading(Channel("1", f"private-{number % 100}"), f"{number}", Mark(MOST))
            for number in range(AT_ONCE)
        ]

        assert await one.move([]) == []
        for _ in range(2):
            assert await one.move(readings) == [Mark(MOST)] * AT_ONCE

    async def test_longest(self, one: Marks) -> None:
        assert await one.move(read((EMOJI, 1))) == [Mark(1)]
        assert await one.mark(ROOM, EMOJI) == Mark(1)


class TestFull:
    """A channel has so many readers, and no more."""

    async def test_full(self, both: Both) -> None:
        """Who came in time goes on; who comes later is told so, and the rest of the call is done."""
        await both[0].move(read(*((f"{number}", 1) for number in range(READERS - 1))))

        answers = await both[1].move(
            [*read(("0", 2), ("last", 1), ("late", 1), ("1", 2)), *read(("late", 1), channel=OTHER)]
        )

        assert [answer for answer in answers if isinstance(answer, Mark)] == [
            Mark(2),
            Mark(1),
            Mark(2),
            Mark(1),
        ]
        assert isinstance(answers[2], TooManyMarks)
        assert str(READERS) in str(answers[2])
        assert await both[0].mark(ROOM, "late") is None

    async def test_room_again(self, one: Marks) -> None:
        """Who is erased leaves room for another."""
        await one.move(read(*((f"{number}", 1) for number in range(READERS))))
        await one.erase("1", "7")

        assert await one.move(read(("late", 1))) == [Mark(1)]


class TestStanding:
    """What stands for several readers."""

    async def test_standing(self, both: Both) -> None:
        """In the order in which they are asked for; also who is not known, or is asked for twice."""
        await both[0].move([*read(("7", 3), ("8", 1), epoch="e"), *read(("7", 2), channel=OTHER)])

        asked = [(OTHER, "7"), (ROOM, "9"), (ROOM, "7"), (ELSEWHERE, "7"), (OTHER, "7")]

        assert await both[1].standing(asked) == [Mark(2), None, Mark(3, "e"), None, Mark(2)]
        assert await both[1].standing([]) == []


class TestPage:
    """All marks of a channel."""

    async def test_order(self, one: Marks) -> None:
        """Ids are in the order of their UTF-8, whatever the database thinks of letters."""
        users = [
            "a",
            "B",
            "Ä",
            "ä",
            "_",
            "10",
            "9",
            "\N{GRINNING FACE}",
            "\uff5e",
            "a b",
            "a-b",
            "ab",
        ]
        await one.move([*read(*((user, 1) for user in users)), *read(("x", 1), channel=OTHER)])

        page = await one.page(ROOM, after="", limit=100)

        assert [user for user, _ in page] == sorted(users, key=str.encode)

    async def test_pages(self, one: Marks) -> None:
        await one.move(read(*((f"{number}", number) for number in range(5))))

        pages = [await one.page(ROOM, after=after, limit=2) for after in ("", "1", "3", "4")]

        assert pages == [
            [("0", Mark(0)), ("1", Mark(1))],
            [("2", Mark(2)), ("3", Mark(3))],
            [("4", Mark(4))],
            [],
        ]


class TestErase:
    """A user is forgotten."""

    async def test_told(self, one: Marks) -> None:
        """What is kept of a user is told, channel by channel."""
        readings = [*read(("7", 2), channel=OTHER), *read(("7", 1), epoch="e")]
        await one.move([*readings, *read(("7", 3), channel=ELSEWHERE), *read(("8", 1))])

        assert await one.read_by("1", "7", limit=10) == readings[::-1]
        assert await one.read_by("1", "7", limit=1) == readings[1:]

    async def test_erased(self, both: Both) -> None:
        """In all channels of the app; nobody else is."""
        for channel in (ROOM, OTHER, ELSEWHERE):
            await both[0].move(read(("7", 1), channel=channel))
        await both[0].move(read(("8", 1)))

        assert [await both[1].erase("1", "7") for _ in range(2)] == [2, 0]

        assert await both[0].page(ROOM, after="", limit=9) == [("8", Mark(1))]
        assert await both[0].mark(ELSEWHERE, "7") == Mark(1)


class TestForget:
    """What is old is forgotten, a part at a time."""

    async def test_old(self, one: Marks) -> None:
        await one.move(read(*((f"{number}", 1) for number in range(5))))
        later = time.time() + 2 * HOUR

        assert [await one.forget(moved_before=later, limit=2) for _ in range(4)] == [2, 2, 1, 0]
        assert await one.page(ROOM, after="", limit=9) == []

    async def test_young(self, one: Marks) -> None:
        await one.move(read(("7", 1)))

        assert await one.forget(moved_before=time.time() - HOUR, limit=9) == 0
        assert await one.mark(ROOM, "7") == Mark(1)
