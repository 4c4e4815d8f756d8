"""What `fanfare users erase` leaves of a user, on a real PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.config.address import Url
from libs.common.dead_letters.port import DeadLetter, Selection
from libs.common.dead_letters.postgres import PostgresDeadLetters
from libs.common.lifecycle.facts import Fact
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.migrate import migrate
from libs.common.postgres.settings import PostgresSettings
from tests.support.deployments.commands import Outcome, command
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


async def erased(database: str, file: Path) -> Outcome:
    file.write_text(APP)
    environ = {"FANFARE_BACKENDS_SIGHTINGS": database}
    return await command("users", "erase", "1", "7", config=file, environ=environ)


async def test_letters(letters: PostgresDeadLetters, database_url: str, tmp_path: Path) -> None:
    """Webhooks that wait to be replayed tell of them no more, and of all others; both are said."""
    await letters.keep(letter(1, "7"))
    await letters.keep(letter(2, "7", "8"))

    first, again = [await erased(database_url, tmp_path / "fanfare.toml") for _ in range(2)]

    assert await letters.read(Selection(), limit=9) == [letter(2, "8")]
    assert (first.status, again.status) == (0, 0)
    assert "(2 requests)" in first.complaint
    assert "nothing was kept of user 7 of app 1." in again.complaint
