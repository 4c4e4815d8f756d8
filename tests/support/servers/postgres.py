"""A PostgreSQL server: plain or with TLS, and fresh databases on one."""

import os
import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from tests.support.programs import find_program
from tests.support.servers.certificates import Certificates
from tests.support.servers.ports import free_port
from tests.support.servers.process import (
    Launch,
    NotReady,
    Server,
    make_directory,
    run_tool,
    running,
)

SUPERUSER = "fanfare"
ANSWER_TIMEOUT = 5.0

# Nobody needs a test's data after a power failure.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "300",  # Of all tests that run side by side.
}


@asynccontextmanager
async def postgres_server(*, certificates: Certificates | None = None) -> AsyncIterator[Server]:
    """
    Run a PostgreSQL server; its URL names a superuser.

    Args:
        certificates: Given, it admits connections over TLS only.
    """
    async with running(await postgres_launch(certificates=certificates)) as server:
        yield server


async def postgres_launch(*, certificates: Certificates | None = None) -> Launch:
    """Initialise a data directory and describe the start of a server on it."""
    user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root.
    postgres, initdb = str(find_program("postgres")), str(find_program("initdb"))
    port, password = free_port(), secrets.token_hex(16)
    directory = make_directory("postgres", owner=user)
    data = directory / "data"
    await _initialise(initdb, data, password, user=user)
    settings = {**SETTINGS, "port": str(port)}
    if certificates is not None:
        settings |= _secured(certificates, data, user=user)
    url = _url(port, password, certificates)
    return Launch(
        name="postgres",
        url=url,
        command=[postgres, "-D", str(data), *_options(settings)],
        directory=directory,
        probe=lambda: probe_postgres(url),
        user=user,
        stop_signal=signal.SIGINT,  # Fast shutdown: it does not wait for clients.
    )


async def probe_postgres(url: str) -> None:
    """
    See that a server is there and lets us in.

    Raises:
        NotReady: It is not, or does not.
    """
    try:
        connection = await asyncpg.connect(url, timeout=ANSWER_TIMEOUT)
        await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise NotReady(f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def fresh_database(server_url: str, name: str) -> AsyncIterator[str]:
    """Create a database on a server, and drop it in the end even if somebody is connected to it."""
    await _execute(server_url, f'CREATE DATABASE "{name}"')
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        await _execute(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=ANSWER_TIMEOUT)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _initialise(initdb: str, data: Path, password: str, *, user: str | None) -> None:
    secret = data.with_name("password")
    secret.touch(mode=0o600)
    secret.write_text(password)
    _give(secret, user)
    options = {
        "--pgdata": data,
        "--username": SUPERUSER,
        "--pwfile": secret,
        "--auth": "scram-sha-256",
        "--encoding": "UTF8",
        "--locale": "C",
    }
    arguments = [f"{name}={value}" for name, value in options.items()]
    await run_tool("initdb", initdb, "--no-sync", *arguments, directory=data.parent, user=user)


def _secured(certificates: Certificates, data: Path, *, user: str | None) -> dict[str, str]:
    """Turn plain connections away; the key must be the server's own, or it refuses to start."""
    key = data / "server.key"
    key.touch(mode=0o600)
    key.write_bytes(certificates.key.read_bytes())
    certificate = data / "server.pem"
    certificate.write_bytes(certificates.certificate.read_bytes())
    admission = data / "pg_hba.conf"
    admission.write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    for file in (key, certificate, admission):
        _give(file, user)
    return {"ssl": "on", "ssl_cert_file": certificate.name, "ssl_key_file": key.name}


def _give(file: Path, user: str | None) -> None:
    if user is not None:
        shutil.chown(file, user, user)


def _options(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _url(port: int, password: str, certificates: Certificates | None) -> str:
    query = f"?sslmode=verify-full&sslrootcert={certificates.ca}" if certificates else ""
    return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/postgres{query}"
