"""One Redis server: plain, with an ACL user, or behind TLS."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tests.support.programs import find_program
from tests.support.servers.certificates import Certificates
from tests.support.servers.ports import free_port
from tests.support.servers.process import Launch, NotReady, Server, make_directory, running

ANSWER_TIMEOUT = 2.0


@asynccontextmanager
async def redis_server(
    *,
    user: str | None = None,
    password: str | None = None,
    certificates: Certificates | None = None,
    durable: bool = True,
) -> AsyncIterator[Server]:
    """
    Run a Redis server.

    Args:
        user: The ACL user, beside whom nobody is let in; needs a password.
        password: The user's, or without a user everybody's.
        certificates: Given, it speaks TLS alone.
        durable: It has its data again after `kill` and `restart`.
    """
    launch = redis_launch(user=user, password=password, certificates=certificates, durable=durable)
    async with running(launch) as server:
        yield server


def redis_launch(
    *,
    user: str | None = None,
    password: str | None = None,
    certificates: Certificates | None = None,
    durable: bool = False,
) -> Launch:
    """Describe the start of a server as `redis_server` does."""
    port = free_port()
    url = _url(port, user=user, password=password, certificates=certificates)
    settings = {
        **_listening(port, certificates),
        **_admission(user, password),
        # Written before the reply, so that a kill loses nothing; a power failure is no test here.
        "appendonly": "yes" if durable else "no",
        "appendfsync": "no",
    }
    return configured("redis", settings, url=url)


def configured(name: str, settings: Mapping[str, str], *, url: str, role: str = "") -> Launch:
    """
    Describe the start of a ``redis-server`` with a configuration file.

    Args:
        name: What error messages call it.
        settings: Directives over those which all servers here have in common.
        url: A ``redis://`` or ``rediss://`` URL by which one can see that it answers.
        role: ``--sentinel``, or nothing.
    """
    program = str(find_program("redis-server"))
    directory = make_directory(name)
    lines = {"bind": "127.0.0.1", "dir": str(directory), "save": '""', **settings}
    file = directory / "redis.conf"
    file.write_text("".join(f"{key} {value}\n" for key, value in lines.items()))
    return Launch(
        name=name,
        url=url,
        command=[program, str(file), *role.split()],
        directory=directory,
        probe=lambda: probe_redis(url),
    )


def connect(url: str) -> redis.asyncio.Redis:
    """Return a client for a URL in our grammar, which names a CA as ``?ca=``.  It never retries."""
    address, _, ca = url.partition("?ca=")
    tls: dict[str, Any] = {"ssl_ca_certs": ca} if ca else {}
    return redis.asyncio.Redis.from_url(
        address,
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=ANSWER_TIMEOUT,
        **tls,
    )


@asynccontextmanager
async def visit(url: str) -> AsyncIterator[redis.asyncio.Redis]:
    """
    Connect to a server that may be away, or about to change its role.

    Raises:
        NotReady: It does not let us in, does not answer, or cuts us off.
    """
    try:
        async with connect(url) as client:
            yield client
    except RedisError as error:
        raise NotReady(str(error)) from error


async def probe_redis(url: str) -> None:
    """
    See that a Redis server is there, lets us in and has loaded its data.

    Raises:
        NotReady: It is not, or does not.
    """
    async with visit(url) as client:
        await client.ping()


def _url(
    port: int, *, user: str | None, password: str | None, certificates: Certificates | None
) -> str:
    scheme = "rediss" if certificates else "redis"
    login = f"{quote(user or '', safe='')}:{quote(password, safe='')}@" if password else ""
    query = "?" + urlencode({"ca": certificates.ca}, safe="/") if certificates else ""
    return f"{scheme}://{login}127.0.0.1:{port}/0{query}"


def _listening(port: int, certificates: Certificates | None) -> dict[str, str]:
    if certificates is None:
        return {"port": str(port)}
    return {
        "port": "0",
        "tls-port": str(port),
        "tls-cert-file": _quoted(certificates.certificate),
        "tls-key-file": _quoted(certificates.key),
        "tls-ca-cert-file": _quoted(certificates.ca),
        "tls-auth-clients": "no",
    }


def _admission(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {} if password is None else {"requirepass": _quoted(password)}
    if password is None:
        raise ValueError("an ACL user needs a password")
    return {f"user {user}": _quoted(f">{password}") + " on ~* &* +@all", "user default": "off"}


def _quoted(value: str | Path) -> str:
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
