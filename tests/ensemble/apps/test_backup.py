"""A database that was saved and brought back, with the commands of docs/operations.md, serves as before."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.memberships.membership import Put
from libs.common.memberships.postgres import PostgresMemberships
from tests.support.clients.operators import Operator
from tests.support.deadline import DEADLINE
from tests.support.deployments.deployment import migrate
from tests.support.deployments.fleet import Fleet
from tests.support.deployments.program import ROOT
from tests.support.ports.memberships import ANN, BEN, connected, heard, interrupted
from tests.support.programs import find_program
from tests.support.servers.postgres import fresh_database


@pytest.fixture
async def empty_url(postgres_url: str, prefix: str) -> AsyncIterator[str]:
    """Yield the URL of the database into which it is brought back."""
    async with fresh_database(postgres_url, f"{prefix}_again") as url:
        yield url


def operator(directory: Path, url: str) -> Operator:
    """Return the operator of a database."""
    directory.mkdir(exist_ok=True)
    fleet = Fleet(directory, postgres=url)
    return Operator(fleet.write_settings(), fleet.environ)


async def test_brought_back(tmp_path: Path, database_url: str, empty_url: str) -> None:
    """Apps and memberships are there, nothing is left to migrate, and what changes is told."""
    before = operator(tmp_path / "before", database_url)
    await migrate(before.config, before.environ)
    await before.done("add", "--name", "Shop", "--client-events", "--limit", "members=7")
    async with connected(database_url) as connection:
        await PostgresMemberships(connection).put([ANN])

    await _save_and_restore(tmp_path, database_url, empty_url)

    after = operator(tmp_path / "after", empty_url)
    await migrate(after.config, after.environ)
    assert (await after.done("list", "--json")).output == (
        await before.done("list", "--json")
    ).output
    assert (await after.done("add")).variables["PUSHER_APP_ID"] == "2"
    async with connected(empty_url) as connection:
        memberships = PostgresMemberships(connection)
        async with memberships.changes() as listener:
            await interrupted(listener)  # It hears from here on.
            await memberships.put([BEN])
            assert await heard(listener, 1) == [Put(BEN)]
        assert await memberships.ask([ANN, BEN]) == {ANN: True, BEN: True}


async def _save_and_restore(directory: Path, database: str, empty: str) -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    commands = re.findall(r"^(pg_(?:dump|restore) .+)$", text, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["pg_dump", "pg_restore"]
    tools = find_program("pg_dump").parent
    for command in commands:
        process = await asyncio.create_subprocess_shell(
            command,
            cwd=directory,
            env={"PATH": str(tools), "DATABASE": database, "EMPTY": empty},
            stderr=asyncio.subprocess.PIPE,
        )
        _, complaint = await asyncio.wait_for(process.communicate(), DEADLINE)
        assert (process.returncode, complaint) == (0, b""), command
