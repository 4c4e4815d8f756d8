"""
One Redis server: a bounded pool of connections, and pipelines over them.

redis-py's clients retry behind the caller's back, and its cluster client drops the connections of
everybody when one call fails.  So only its pools and connections are used here: what is sent is
sent once, and whoever called decides whether to send it again.
"""

import asyncio
import math
import ssl
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Connection, ConnectionPool, Sentinel, SSLConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from libs.common.errors import Misconfigured
from libs.common.outage import Outage, reason_of
from libs.common.redis.address import RedisAddress
from libs.common.redis.commands import Words, facts_of, packed
from libs.common.redis.refusals import Refusals, said
from libs.common.redis.round_trips import RoundTrips
from libs.common.redis.scripts import PROBE

CONNECT_TIMEOUT = 3.0  # Seconds.
REPLY_TIMEOUT = 5.0  # Seconds, for writing a pipeline and again for all its replies.
POOL_SIZE = 32
POOL_TIMEOUT = 5.0  # Seconds to wait for a connection while all are in use.

TROUBLE = (RedisError, OSError)  # All that a connection raises when the server is away.


class Node:
    """
    A server, and up to `POOL_SIZE` connections to it.

    Who calls while all are in use waits for up to `POOL_TIMEOUT` seconds.

    Args:
        pool: Where connections come from; opened when they are first needed.
        host: Where the server was said to be; for referrals that leave it out.
        outage: Told of each failure and each answer; also where the server refuses what is asked.
        name: By which the outage knows it.

    Attributes:
        name: The same.
        shared: Round trips to it that several callers share.
    """

    def __init__(self, pool: ConnectionPool, host: str, outage: Outage, *, name: str) -> None:
        self.host = host
        self.name = name
        self._pool = pool
        self._free = asyncio.Semaphore(POOL_SIZE)
        self._outage = outage
        self._refusals = Refusals(PROBE.digest)
        self.shared = RoundTrips(self._exchange, patience=POOL_TIMEOUT)

    async def exchange(self, commands: Sequence[Words]) -> list[Any]:
        """
        Send commands in one go, in order, and read their replies.

        Returns:
            The reply to each; a `redis.exceptions.ResponseError` where the server refused one.

        Raises:
            RedisError, OSError: The connection failed; which commands were executed is unknown.
        """
        return await self._exchange(commands, packed(commands))

    async def _exchange(self, commands: Sequence[Words], written: bytes) -> list[Any]:
        await self._wait_for_place()
        try:
            replies = await self._send(written, len(commands))
        except TROUBLE as error:
            self._refusals.forget()
            self._outage.lost(reason(error), by=self.name)
            raise
        finally:
            self._free.release()
        self._refusals.note(commands, replies)
        if self._refusals:
            self._outage.lost(self._refusals.reason, by=self.name)
        else:
            self._outage.found(by=self.name)
        return replies

    async def figures(self) -> dict[str, str]:
        """
        Ask the server for all that it tells of itself (INFO), by field.

        That it is away, or does not permit this, is no outage of what the server is used for.

        Raises:
            RedisError, OSError: There is no answer, or a refusal.
        """
        await self._wait_for_place()
        try:
            (reply,) = await self._send(packed([("INFO",)]), 1)
        finally:
            self._free.release()
        if isinstance(reply, Exception):
            raise reply
        return facts_of(reply)

    async def _send(self, written: bytes, count: int) -> list[Any]:
        before = cancellations()
        connection = await self._pool.get_connection()
        try:
            await connection.send_packed_command(written)
            await heed_cancellation(connection, before)
            return await _replies(connection, count)
        finally:
            await self._pool.release(connection)

    async def _wait_for_place(self) -> None:
        try:
            async with asyncio.timeout(POOL_TIMEOUT):
                await self._free.acquire()
        except TimeoutError:
            raise RedisTimeoutError("no connection became free") from None

    async def dedicated(self) -> Connection:
        """
        Open a connection outside the pool, as a subscriber needs it; the caller closes it.

        Raises:
            RedisError, OSError: The connection cannot be opened.
        """
        before = cancellations()
        connection: Connection = self._pool.make_connection()
        await connection.connect()
        await heed_cancellation(connection, before)
        return connection

    async def close(self) -> None:
        """Close all connections."""
        await self.shared.close()
        await self._pool.aclose()

    def leave(self) -> None:
        """Take it off the outage: the cluster is without it."""
        self._outage.found(by=self.name)


def reason(error: BaseException) -> str:
    """Say in one line why Redis cannot be used, with the code of its answer if it gave one."""
    cause = error.__cause__ or error
    is_answer = isinstance(cause, ResponseError) or getattr(cause, "status_code", None)
    return said(cause) if is_answer and isinstance(cause, Exception) else reason_of(error)


def cancellations() -> int:
    """Count how often the current task was asked to end, for `heed_cancellation`."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


async def heed_cancellation(connection: Connection, before: int) -> None:
    """
    End the task if it was asked to since `cancellations` said ``before``.

    redis-py sends with `asyncio.wait_for`, which in Python 3.11 loses a cancellation that comes
    when the bytes have just been sent (CPython, issue 86296): the task would live on.
    """
    if cancellations() > before:
        await connection.disconnect(nowait=True)
        raise asyncio.CancelledError


async def _replies(connection: Connection, count: int) -> list[Any]:
    replies: list[Any] = []
    try:
        async with asyncio.timeout(REPLY_TIMEOUT):
            while len(replies) < count:
                try:
                    # One deadline for all: redis-py's own costs as much again for each reply.
                    replies.append(await connection.read_response(timeout=math.inf))
                except ResponseError as error:
                    replies.append(error)
    except TimeoutError:  # redis-py has closed the connection: a late reply cannot be mistaken.
        raise RedisTimeoutError("no reply in time") from None
    return replies


def pool_of(address: RedisAddress, host: str, port: int) -> ConnectionPool:
    """Make a pool for one server."""
    return ConnectionPool(
        connection_class=SSLConnection if address.tls else Connection,
        max_connections=POOL_SIZE,
        host=host,
        port=port,
        username=address.user or None,
        password=address.password or None,
        db=address.database,
        **_options(address),
    )


def sentinels_of(address: RedisAddress) -> Sentinel:
    """Make clients for the sentinels of an address."""
    options = _options(address)
    if address.tls:
        options["ssl"] = True
    login = {
        "username": address.sentinel_user or None,
        "password": address.sentinel_password or None,
    }
    return Sentinel(address.hosts, sentinel_kwargs=options | login)


def pool_of_master(address: RedisAddress, sentinels: Sentinel) -> ConnectionPool:
    """Make a pool for the master that the sentinels name."""
    return SentinelConnectionPool(
        address.service,
        sentinels,
        ssl=address.tls,
        max_connections=POOL_SIZE,
        username=address.user or None,
        password=address.password or None,
        db=address.database,
        **_options(address),
    )


def check_authority(address: RedisAddress) -> None:
    """
    Check the file that ``ca`` names.

    Raises:
        Misconfigured: The file cannot be read, or has no certificate.
    """
    if not address.ca:
        return
    try:
        ssl.create_default_context(cafile=address.ca)
    except OSError as error:
        raise Misconfigured(f"ca={address.ca}: no certificates can be read from it") from error


def _options(address: RedisAddress) -> dict[str, Any]:
    options: dict[str, Any] = {
        "protocol": 2,  # Pub/sub messages are plain replies, without handlers for pushes.
        "driver_info": None,  # CLIENT SETINFO needs a permission that nothing else here needs.
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": REPLY_TIMEOUT,
        "socket_read_size": 65_536,
        "retry": Retry(NoBackoff(), 0),
    }
    if address.tls:
        options |= {
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
            "ssl_ca_certs": address.ca or None,
        }
    return options
