"""The contract of `dead_letters.port.DeadLetters`, on memory and on PostgreSQL."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from libs.common.config.address import Url
from libs.common.dead_letters.memory import MemoryDeadLetters
from libs.common.dead_letters.port import DeadLetter, DeadLetters, Selection
from libs.common.dead_letters.postgres import PostgresDeadLetters
from libs.common.errors import Unavailable
from libs.common.lifecycle.facts import Fact
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.migrate import migrate
from libs.common.postgres.settings import PostgresSettings
from tests.support.servers.ports import free_port

NOW = 1_700_000_000.0
MOST, MAX_AGE = 5, 1000.0
ALL = Selection()


def letter(number: int, **fields: Any) -> DeadLetter:
    usual: dict[str, Any] = {
        "id": f"msg_{number}",
        "app": "1",
        "webhook": "orders",
        "facts": (
            Fact(kind="member_added", app="1", channel="presence-ä", user="7", at=NOW + 0.25),
            Fact(kind="subscription_count", app="1", channel="a", count=3),
            Fact(kind="client_event", app="1", channel="a", event="client-x", data="\ud83d\0"),
        ),
        "reason": "answered 500",
        "tries": 9,
        "first_at": NOW - 300.5,
        "died_at": NOW + number,
    }
    return DeadLetter(**(usual | fields))


@pytest.fixture(params=["", "database_url"], ids=["memory", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """Name the backend."""
    return str(request.getfixturevalue(request.param)) if request.param else ""


@pytest.fixture
async def letters(url: str) -> AsyncIterator[DeadLetters]:
    if not url:
        yield MemoryDeadLetters(MOST, MAX_AGE, clock=lambda: NOW)
        return
    await migrate(Url(url))
    async with PostgresConnection(Url(url), "sightings", PostgresSettings()) as connection:
        yield PostgresDeadLetters(connection, MOST, MAX_AGE, clock=lambda: NOW)


async def ids(letters: DeadLetters, selection: Selection = ALL) -> list[str]:
    return [each.id for each in await letters.read(selection, limit=100)]


async def test_kept(letters: DeadLetters) -> None:
    """Nothing is lost of it, and the oldest is first."""
    await letters.keep(letter(2))
    await letters.keep(letter(1))

    assert await letters.read(ALL, limit=10) == [letter(1), letter(2)]
    assert await letters.count(ALL) == 2
    await letters.check()


async def test_again(letters: DeadLetters) -> None:
    """What is given up again takes its own place."""
    await letters.keep(letter(1))
    await letters.keep(letter(2))
    await letters.keep(letter(1, reason="answered 410", tries=12, died_at=NOW + 9))

    assert await letters.read(ALL, limit=10) == [
        letter(2),
        letter(1, reason="answered 410", tries=12, died_at=NOW + 9),
    ]


async def test_pages(letters: DeadLetters) -> None:
    """Each page begins after the last one, also where two died at once."""
    for number in (1, 2, 3):
        await letters.keep(letter(number, died_at=NOW))

    first = await letters.read(ALL, limit=2)
    second = await letters.read(ALL, after=first[-1].place, limit=2)

    assert [each.id for each in (*first, *second)] == ["msg_1", "msg_2", "msg_3"]


async def test_selection(letters: DeadLetters) -> None:
    await letters.keep(letter(1))
    await letters.keep(letter(2, webhook="other"))
    await letters.keep(letter(3, app="2"))

    assert await ids(letters, Selection(app="1")) == ["msg_1", "msg_2"]
    assert await ids(letters, Selection(webhook="orders")) == ["msg_1", "msg_3"]
    assert await ids(letters, Selection(ids=frozenset({"msg_2", "msg_9"}))) == ["msg_2"]
    assert await letters.count(Selection(app="1", webhook="orders")) == 1


async def test_removed(letters: DeadLetters) -> None:
    await letters.keep(letter(1))
    await letters.keep(letter(2))

    await letters.remove(["msg_1", "msg_9"])

    assert await ids(letters) == ["msg_2"]


async def test_erased(letters: DeadLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a user nothing is left in an app's letters, and of others all is."""
    monkeypatch.setattr("libs.common.dead_letters.postgres.PAGE", 2)
    _, count, said = letter(1).facts
    alone = (Fact(kind="user_offline", app="1", user="7"),)
    other = (Fact(kind="user_offline", app="1", user="77"),)
    await letters.keep(letter(1))
    await letters.keep(letter(2, facts=alone))
    await letters.keep(letter(3, facts=other))
    await letters.keep(letter(4, app="2"))
    await letters.keep(letter(5, facts=(*other, *alone, said)))

    assert await letters.erase("1", "7") == 3

    assert await letters.read(ALL, limit=10) == [
        letter(1, facts=(count, said)),
        letter(3, facts=other),
        letter(4, app="2"),
        letter(5, facts=(*other, said)),
    ]
    assert await letters.erase("1", "7") == 0


async def test_many(letters: DeadLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the oldest go."""
    monkeypatch.setattr("libs.common.dead_letters.postgres.PRUNE_EVERY", 1)
    for number in range(1, 8):
        await letters.keep(letter(number))

    assert await ids(letters) == [f"msg_{number}" for number in range(3, 8)]


async def test_old(letters: DeadLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.common.dead_letters.postgres.PRUNE_EVERY", 1)
    await letters.keep(letter(1, died_at=NOW - MAX_AGE - 1))
    await letters.keep(letter(2, died_at=NOW - MAX_AGE + 1))

    assert await ids(letters) == ["msg_2"]


async def test_away() -> None:
    url = Url(f"postgresql://u:p@127.0.0.1:{free_port()}/x")
    settings = PostgresSettings(connect_timeout=0.5)
    async with PostgresConnection(url, "sightings", settings) as connection:
        with pytest.raises(Unavailable):
            await PostgresDeadLetters(connection, MOST, MAX_AGE).keep(letter(1))
