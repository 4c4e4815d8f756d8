"""The three servers which all tests of a run share: those that are named, those that run, or own."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from tests.support.programs import MissingProgram
from tests.support.servers import developer
from tests.support.servers.kafka import kafka_server, probe_kafka
from tests.support.servers.packages import MissingJars
from tests.support.servers.postgres import postgres_server, probe_postgres
from tests.support.servers.process import NotReady, Server, ServerDidNotStart
from tests.support.servers.redis.server import probe_redis, redis_server

_PROBES = {"redis": probe_redis, "kafka": probe_kafka, "postgres": probe_postgres}


class NoServer(Exception):
    """There is no server of a kind for the tests; the message says what to do."""


@asynccontextmanager
async def shared(kind: str) -> AsyncIterator[str]:
    """
    Yield the URL of the run's Redis, Kafka or PostgreSQL.

    It is the server that ``FANFARE_TEST_…_URL`` names, else the one that ``make services`` has
    started, else one of our own, which ends with the context.

    Raises:
        NoServer: None of them can be had.
    """
    url = await _named(kind) or await _developers(kind)
    if url is not None:
        yield url
        return
    async with AsyncExitStack() as stack:
        yield await _started(kind, stack)


async def _named(kind: str) -> str | None:
    variable = developer.variable(kind)
    url = os.environ.get(variable)
    if not url:
        return None
    try:
        await _PROBES[kind](url)
    except NotReady as reason:
        raise NoServer(f"the server that {variable} names does not serve: {reason}") from reason
    return url


async def _developers(kind: str) -> str | None:
    server = developer.servers().get(kind)
    if server is None:
        return None
    try:
        await _PROBES[kind](server.url)
    except NotReady:
        return None
    return server.url


async def _started(kind: str, stack: AsyncExitStack) -> str:
    try:
        server = await stack.enter_async_context(_own(kind))
    except (MissingProgram, MissingJars, ServerDidNotStart) as error:
        variable = developer.variable(kind)
        raise NoServer(f"no {kind} for the tests ({variable} is not set): {error}") from error
    return server.url


def _own(kind: str) -> AbstractAsyncContextManager[Server]:
    if kind == "redis":
        return redis_server(durable=False)
    return kafka_server() if kind == "kafka" else postgres_server()
