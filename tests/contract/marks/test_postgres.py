"""What only PostgreSQL can do to marks: be away, be shared, and lose a process."""

import asyncio
import random
import time

import pytest

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.marks.mark import Mark
from libs.common.marks.port import Marks, Reading, TooManyMarks
from libs.common.marks.postgres import LOCK, STRIPE, PostgresMarks
from tests.support.ports.apps import operated
from tests.support.ports.marks import READERS, opened_marks
from tests.support.ports.memberships import cut_off
from tests.support.ports.sightings import connected
from tests.support.servers.ports import free_port

ROOM = Channel("1", "private-chat.7")
ONE = [Reading(ROOM, "7", Mark(1))]
HOUR = 3600.0  # Seconds.


async def test_away() -> None:
    async with connected(
        f"postgresql://u:secret@127.0.0.1:{free_port()}/db", "marks"
    ) as connection:
        marks = PostgresMarks(connection, READERS)

        for question in (
            marks.check(),
            marks.move(ONE),
            marks.mark(ROOM, "7"),
            marks.standing([(ROOM, "7")]),
            marks.page(ROOM, after="", limit=1),
            marks.read_by("1", "7", limit=1),
            marks.erase("1", "7"),
            marks.forget(moved_before=1, limit=1),
        ):
            with pytest.raises(Unavailable) as raised:
                await question
            assert raised.value.backend == "marks"
        assert await marks.move([]) == []  # There is nothing to ask.


async def test_back(database_url: str) -> None:
    """What was answered before an outage is there after it."""
    async with opened_marks(database_url) as (one, _):
        await one.move(ONE)
        async with cut_off(database_url):
            with pytest.raises(Unavailable):
                await one.move([Reading(ROOM, "7", Mark(2))])

        assert await one.mark(ROOM, "7") == Mark(1)
        assert await one.move([Reading(ROOM, "7", Mark(2))]) == [Mark(2)]


async def test_two_move(database_url: str) -> None:
    """Batches of the same users in other orders never wait for each other in a circle."""
    everyone = [
        (Channel("1", f"private-chat.{room}"), f"{user}")
        for room in range(10)
        for user in range(50)
    ]
    highest = dict.fromkeys(everyone, 0)

    async def keep_moving(marks: Marks, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - an order, no secret
        for _ in range(5):
            chance.shuffle(order := list(everyone))
            told = {reader: chance.randrange(1000) for reader in order}
            for reader, number in told.items():
                highest[reader] = max(highest[reader], number)
            answers = await marks.move([Reading(*reader, Mark(told[reader])) for reader in order])
            for reader, answer in zip(order, answers, strict=True):
                assert isinstance(answer, Mark)
                assert told[reader] <= answer.number
            await marks.erase("1", "nobody")

    async with opened_marks(database_url) as both:
        async with asyncio.TaskGroup() as tasks:
            for seed in range(4):
                tasks.create_task(keep_moving(both[seed % 2], seed))

        kept = {reader: await both[0].mark(*reader) for reader in everyone}

    assert kept == {reader: Mark(number) for reader, number in highest.items()}


async def test_erased_meanwhile(database_url: str) -> None:
    """Neither does who erases users of several channels."""
    readings = [Reading(Channel("1", f"private-chat.{room}"), "7", Mark(1)) for room in range(200)]
    async with opened_marks(database_url) as (one, other):
        for _ in range(5):
            await asyncio.gather(
                one.move(readings[::-1]), other.erase("1", "7"), other.move(readings)
            )

        await one.erase("1", "7")
        assert await other.read_by("1", "7", limit=1) == []


async def test_full_at_once(database_url: str) -> None:
    """As many as may be are kept, however many processes bring new ones at once."""
    async with opened_marks(database_url) as both:
        answers = await asyncio.gather(
            *(
                both[batch % 2].move(
                    [Reading(ROOM, f"{batch}.{number}", Mark(1)) for number in range(20)]
                )
                for batch in range(10)
            )
        )

        kept = await both[0].page(ROOM, after="", limit=1000)

    told = [answer for batch in answers for answer in batch]
    assert len(kept) == READERS
    assert sum(isinstance(answer, Mark) for answer in told) == READERS
    assert sum(isinstance(answer, TooManyMarks) for answer in told) == 200 - READERS


_ALL_LOCKS = f"SELECT pg_advisory_xact_lock({LOCK}, other) FROM generate_series(0, 63) AS other"  # noqa: S608


async def test_new_readers_wait(database_url: str) -> None:
    """Who is known waits for nobody who is counted."""
    async with opened_marks(database_url) as (one, _), operated(database_url) as other:
        await one.move(ONE)
        async with other.transaction():
            await other.execute(_ALL_LOCKS)
            known = await one.move([Reading(ROOM, "7", Mark(2))])

    assert known == [Mark(2)]


async def test_other_channels_do_not_wait(database_url: str) -> None:
    """New readers wait for those alone who are counted in their channel."""
    row = f"(VALUES ('{ROOM.app}', '{ROOM.name}')) AS one (app, channel)"
    mine = f"SELECT {STRIPE} FROM {row}"  # noqa: S608
    async with (
        opened_marks(database_url) as (one, _),
        operated(database_url) as other,
        other.transaction(),
    ):
        await other.execute(f"{_ALL_LOCKS} WHERE other <> ({mine})")
        added = await one.move(ONE)

    assert added == [Mark(1)]


async def test_told_again(database_url: str) -> None:
    """What is told again is not old, also where it does not move."""
    async with opened_marks(database_url) as (one, _), operated(database_url) as other:
        await one.move(ONE)
        await other.execute("UPDATE fanfare_marks SET moved_at = moved_at - interval '1 day'")
        await one.move(ONE)

        assert await one.forget(moved_before=time.time() - HOUR, limit=9) == 0


async def test_forget_waits_for_nobody(database_url: str) -> None:
    """A mark that is being moved just now is not old."""
    async with opened_marks(database_url) as (one, _), operated(database_url) as other:
        await one.move([*ONE, Reading(ROOM, "8", Mark(1))])
        later = time.time() + 2 * HOUR
        async with other.transaction():
            await other.execute("UPDATE fanfare_marks SET number = 2 WHERE user_id = '7'")
            forgotten = await one.forget(moved_before=later, limit=10)

        assert forgotten == 1
        assert await one.mark(ROOM, "7") == Mark(2)


async def test_the_oldest_go_first(database_url: str) -> None:
    """By the hour in which they were told; until it is over for an hour they are kept."""
    async with opened_marks(database_url) as (one, _), operated(database_url) as other:
        await one.move([Reading(ROOM, f"{number}", Mark(1)) for number in range(3)])
        await other.execute(
            "UPDATE fanfare_marks SET moved_at = moved_at - user_id::int * interval '1 day'"
        )

        assert await one.forget(moved_before=time.time(), limit=1) == 1
        assert [user for user, _ in await one.page(ROOM, after="", limit=9)] == ["0", "1"]
        assert await one.forget(moved_before=time.time(), limit=9) == 1
