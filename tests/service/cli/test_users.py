"""What `fanfare users` shows of a user, and what it leaves, on a real PostgreSQL."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.channels import Channel
from libs.common.config.address import Url
from libs.common.dead_letters.port import DeadLetter, Selection
from libs.common.dead_letters.postgres import PostgresDeadLetters
from libs.common.lifecycle.facts import Fact
from libs.common.marks.mark import Mark
from libs.common.marks.port import Reading
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.migrate import migrate
from libs.common.postgres.settings import PostgresSettings
from tests.support.deployments.commands import Outcome, command
from tests.support.ports.marks import opened_marks
from tests.unit.test_settings import APP


@pytest.fixture
async def letters(database_url: str) -> AsyncIterator[PostgresDeadLetters]:
    await migrate(Url(database_url))
    settings = PostgresSettings()
    async with PostgresConnection(Url(database_url), "sightings", settings) as connection:
        yield PostgresDeadLetters(connection, 100, 1e9)


def letter(number: int, *users: str) -> DeadLetter:
    facts = [Fact(kind="user_online", app="1", user=user) for user in users]
    name = f"msg_{number}"
    return DeadLetter(
        id=name,
        app="1",
        webhook="a",
        facts=tuple(facts),
        reason="answered 500",
        tries=3,
        first_at=1.7e9,
        died_at=1.7e9 + number,
    )


async def users(database: str, file: Path, *words: str) -> Outcome:
    """Run `fanfare users` with these words."""
    file.write_text(APP)
    environ = {"FANFARE_BACKENDS_SIGHTINGS": database}
    return await command("users", *words, config=file, environ=environ)


async def erased(database: str, file: Path) -> Outcome:
    return await users(database, file, "erase", "1", "7")


async def test_letters(letters: PostgresDeadLetters, database_url: str, tmp_path: Path) -> None:
    """Webhooks that wait to be replayed tell of them no more, and of all others; both are said."""
    await letters.keep(letter(1, "7"))
    await letters.keep(letter(2, "7", "8"))

    first, again = [await erased(database_url, tmp_path / "fanfare.toml") for _ in range(2)]

    assert await letters.read(Selection(), limit=9) == [letter(2, "8")]
    assert (first.status, again.status) == (0, 0)
    assert "(2 requests)" in first.complaint
    assert "nothing was kept of user 7 of app 1." in again.complaint


async def test_marks(database_url: str, tmp_path: Path) -> None:
    """How far a user has read is shown, to people and to programs, and erased."""
    file = tmp_path / "fanfare.toml"
    chat, room = Channel("1", "private-chat.7"), Channel("1", "presence-room")
    async with opened_marks(database_url) as (marks, _):
        await marks.move(
            [
                Reading(chat, "7", Mark(17)),
                Reading(room, "7", Mark(3, "e1")),
                Reading(chat, "8", Mark(9)),
            ]
        )

        shown = await users(database_url, file, "show", "1", "7")
        as_json = await users(database_url, file, "show", "1", "7", "--json")
        first, again = [await erased(database_url, file) for _ in range(2)]

        assert await marks.page(chat, after="", limit=9) == [("8", Mark(9))]
    assert shown.output.splitlines() == [
        "has read      presence-room up to e1:3",
        "has read      private-chat.7 up to 17",
    ]
    told = json.loads(as_json.output)
    assert told == {
        "last_seen": None,
        "online_since": None,
        "spans": [],
        "marks": {"presence-room": "e1:3", "private-chat.7": 17},
    }
    assert "(2 channels)" in first.complaint
    assert "nothing was kept of user 7 of app 1." in again.complaint
