"""
Control on Redis: one stream of commands, which every listener reads from where it was.

See `control.port.Control`.  The stream's ids are instants of the server's clock.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import structlog

from libs.common.control.commands import Command
from libs.common.control.port import CommandListener, TooManyCommands
from libs.common.json_text import JsonReader
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from libs.common.redis.node import REPLY_TIMEOUT
from libs.common.redis.refusals import is_missing
from libs.common.redis.scripts import Call, Script
from libs.common.redis.unreadable import note_passed

# Seconds after a command's expiry, as the server's clock may be ahead of ours.
FORGOTTEN_AFTER = 60.0
OVERLAP = 60.0  # Seconds read again after an interruption, as another server's clock may be behind.
LONGEST_WAIT = REPLY_TIMEOUT * 0.6  # Seconds of a blocking read, well below the wait for its reply.
BATCH = 1000  # Commands of one reply.
COUNTABLE = 2**53  # Commands: servers and their scripts count no further.

_HERE = Path(__file__).parent
SEND = Script.read(_HERE / "send.lua")

_encode = msgspec.json.Encoder().encode
_decode = JsonReader(Command, takes_halves=False).read

log = structlog.get_logger()


class RedisControl:
    """
    Control that all processes of a deployment share.  See `Control`.

    Args:
        connection: To Redis; a listener that waits occupies one of its pool.
        keys: The deployment's names.
    """

    def __init__(self, connection: RedisConnection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        self._stream = keys.single("control.orders")
        self._expiries = keys.single("control.expiries")
        self._probe = keys.single("probe.control")
        self._texts = keys.single("control.texts")

    async def check(self) -> None:
        """See `Control.check`."""
        await self._connection.check([self._probe], needs_memory=False)

    async def send(self, command: Command, *, most: int = 0) -> None:
        """See `Control.send`."""
        forgotten_at = ceil((command.expires_at + FORGOTTEN_AFTER) * 1000)
        keys = [self._stream, self._expiries, self._texts, self._kept(command.app, command.verb)]
        wait = await self._connection.ask(SEND.call(keys, _encode(command), forgotten_at, most))
        if wait:
            raise TooManyCommands(most, wait=wait / 1000)

    async def check_room(self, app: str, verb: str, *, most: int) -> None:
        """See `Control.check_room`."""
        if most <= 0:
            return
        now, kept = time.time(), self._kept(app, verb)
        # There is room when the first of the last so many is forgotten.
        last = ("ZREVRANGEBYSCORE", kept, "+inf", ceil(now * 1000), "WITHSCORES")
        found = await self._connection.ask(
            Call(kept, (*last, "LIMIT", min(most, COUNTABLE) - 1, 1))
        )
        if found:
            raise TooManyCommands(most, wait=float(found[1]) / 1000 - now)

    def _kept(self, app: str, verb: str) -> str:
        """Name what counts the commands of an app and a verb."""
        return self._keys.single(f"control.kept:{verb}:{app}")

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[CommandListener]:
        """See `Control.listen`."""
        yield RedisCommandListener(self._connection, self._stream)


class _Id(NamedTuple):
    """A place in the stream: milliseconds of the server's clock, and a number within."""

    instant: int
    number: int = 0

    @classmethod
    def parse(cls, text: bytes) -> "_Id":
        instant, _, number = text.partition(b"-")
        return cls(int(instant), int(number))

    def __str__(self) -> str:
        return f"{self.instant}-{self.number}"


_BEGINNING = _Id(0)


class RedisCommandListener:
    """
    A `CommandListener` of a `RedisControl`.

    Args:
        connection: A wait occupies one of its pool.
        stream: The key.
        clock: UTC epoch seconds.
    """

    def __init__(
        self, connection: RedisConnection, stream: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._clock = clock
        self._last = _BEGINNING
        self._is_interrupted = False
        self._is_behind = False

    async def receive(self, timeout: float) -> list[Command]:
        """See `CommandListener.receive`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            remaining = deadline - loop.time()
            commands = await self._read(min(remaining, LONGEST_WAIT))
            # A full batch may hold expired commands alone; silence would say that none is in force.
            if commands or (remaining <= 0 and not self._is_behind):
                return commands

    async def _read(self, timeout: float) -> list[Command]:
        """Take what follows the last command, having waited for it, and see where the stream is."""
        wait = ("BLOCK", ceil(timeout * 1000)) if timeout > 0 else ()
        read = ("XREAD", "COUNT", BATCH, *wait, "STREAMS", self._stream, str(self._after()))
        calls = [Call(self._stream, read), Call(self._stream, ("XINFO", "STREAM", self._stream))]
        streams, info = await self._connection.ask_all(calls)
        self._is_interrupted = isinstance(streams, Exception)
        self._is_behind = False
        if isinstance(streams, Exception):
            raise streams
        if streams:
            ((_, entries),) = streams
            self._is_behind = len(entries) == BATCH
            self._last = _Id.parse(entries[-1][0])
            return self._in_force(entries)
        if _newest(info) < self._last:  # The stream was lost, wholly or with its newest commands.
            self._last = _BEGINNING
        return []

    def _after(self) -> _Id:
        if not self._is_interrupted:
            return self._last
        return max(_BEGINNING, _Id(self._last.instant - round(OVERLAP * 1000)))

    def _in_force(self, entries: Iterable[tuple[bytes, list[bytes]]]) -> list[Command]:
        now = self._clock()
        commands = [_command(entry_id, fields[1]) for entry_id, fields in entries]
        return [command for command in commands if command and command.expires_at > now]


def _command(entry_id: bytes, text: bytes) -> Command | None:
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # Of a newer release, or somebody else's; the next one may be readable.
        reason = str(error) if isinstance(error, msgspec.DecodeError) else "it is not UTF-8"
        note_passed("command")
        log.warning("command.skipped", id=entry_id.decode(), reason=reason, pace_by="command")
        return None


def _newest(info: Any) -> _Id:
    """
    Read the highest id that the stream ever gave.

    Raises:
        Exception: The reply is an error, other than that there is no stream.
    """
    if is_missing(info):
        return _BEGINNING
    if isinstance(info, Exception):
        raise info
    return _Id.parse(dict(zip(info[::2], info[1::2], strict=True))[b"last-generated-id"])
