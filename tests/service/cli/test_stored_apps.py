"""Commands that sign for an app, where apps are in PostgreSQL: a real one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from libs.common.apps.admin import AppAdmin
from libs.common.apps.app import App
from libs.common.config.address import Address, Url
from libs.common.config.secret import Secret
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.migrate import migrate
from libs.common.postgres.settings import PostgresSettings
from libs.common.web.listeners import listening
from tests.support.deployments.commands import Outcome, command
from tests.support.servers.ports import free_port

LOOPBACK = (Address("127.0.0.1", 0),)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a file without apps."""
    file = tmp_path / "fanfare.toml"
    file.write_text("")
    return file


@asynccontextmanager
async def taking() -> AsyncIterator[tuple[str, list[str]]]:
    """Run a server that takes every event; yields where it is, and the keys that signed."""
    keys: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        keys.append(request.query["auth_key"])
        return web.json_response({})

    app = web.Application()
    app.add_routes([web.post("/{path:.*}", answer)])
    async with listening(app, LOOPBACK) as (bound,):
        yield f"http://{bound}", keys


async def published(config: Path, database: str, *words: str) -> Outcome:
    environ = {"FANFARE_BACKENDS_APPS": database}
    return await command("publish", "c", "e", *words, config=config, environ=environ)


async def add(database: str, *ids: str) -> None:
    settings = PostgresSettings()
    async with PostgresConnection(Url(database), "apps", settings) as connection:
        for app_id in ids:
            await AppAdmin(connection).add(_app, app_id)


def _app(app_id: str) -> App:
    return App(id=app_id, key=f"key-{app_id}", secrets=(Secret("s" * 32),))


class TestStored:
    """The key and the secret are those of the row."""

    async def test_signed(self, config: Path, database_url: str) -> None:
        """The only one need not be named; of several the one that is named signs."""
        await migrate(Url(database_url))
        async with taking() as (url, keys):
            await add(database_url, "1")
            alone = await published(config, database_url, "--url", url)
            await add(database_url, "2")
            named = await published(config, database_url, "--url", url, "--app", "2")

        assert (alone.status, named.status, keys) == (0, 0, ["key-1", "key-2"])

    async def test_refused(self, config: Path, database_url: str) -> None:
        """Who names none, or one that there is not, is told what there is."""
        await migrate(Url(database_url))
        none = await published(config, database_url)
        await add(database_url, "1", "2")
        several = await published(config, database_url)

        assert (none.status, several.status) == (2, 2)
        assert "fanfare apps add makes one" in none.complaint
        assert several.complaint == "fanfare: --app must be one of 1, 2\n"

    async def test_away(self, config: Path) -> None:
        """A database that is away is named with its setting, and the reason."""
        database = f"postgresql://u:hush@127.0.0.1:{free_port()}/x"
        outcome = await published(config, database)

        assert outcome.status == 1
        assert outcome.complaint.startswith("fanfare: backends.apps: postgresql://")
        assert "hush" not in outcome.complaint
