"""The roles of docker-compose.yml in a PostgreSQL of the tests, made by the file that its superuser runs."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg

from tests.support.deployments.program import ROOT
from tests.support.programs import find_program

FILES = {"/roles.sql": "deploy/postgres/roles.sql", "/app.sql": "deploy/app.sql"}


class Roles(NamedTuple):
    """Where two roles find a database."""

    owner: str
    services: str


@asynccontextmanager
async def roles(superuser: str, service: Mapping[str, object], prefix: str) -> AsyncIterator[Roles]:
    """
    Make the roles, whose names are a test's own as all databases of a server share them.

    Args:
        superuser: The URL of the database, and of who may make them.
        service: The container that does it.
        prefix: Begins their names.
    """
    environ = _environ(service)
    names = {"OWNER": f"{prefix}_owner", "SERVICES": f"{prefix}_services"}
    await psql(superuser, service, **names)
    try:
        yield Roles(
            *(
                _login(superuser, name, environ[f"{variable}_PASSWORD"])
                for variable, name in names.items()
            )
        )
    finally:
        await _drop(superuser, *names.values())


async def psql(url: str, service: Mapping[str, object], **environ: str) -> None:
    """Run a container's psql, in another database and with further variables."""
    _, *options = [str(word) for word in service["command"]]  # type: ignore[attr-defined]
    for inside, file in FILES.items():
        options = [option.replace(inside, str(ROOT / file)) for option in options]
    process = await asyncio.create_subprocess_exec(
        str(find_program("psql")),
        *options,
        url,
        env={**os.environ, **_environ(service), **environ},
    )
    assert await process.wait() == 0


def _environ(service: Mapping[str, object]) -> dict[str, str]:
    return dict(service["environment"])  # type: ignore[call-overload, no-any-return]


def _login(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{user}:{password}@{host}").geturl()


async def _drop(superuser: str, *names: str) -> None:
    connection = await asyncpg.connect(superuser)
    try:
        for name in names:
            await connection.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER")
            await connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
    finally:
        await connection.close()
