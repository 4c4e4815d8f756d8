"""The commands of a subscriber, which wait to be written to its connection."""

import asyncio

from redis.asyncio import Connection

from libs.common.redis.commands import Words, packed
from libs.common.redis.node import cancellations, heed_cancellation


class CommandQueue:
    """
    Commands on their way to a connection, bounded by the calls that made them.

    They are written by a task of their own, so that whoever subscribes may be cancelled without
    breaking off a command.

    Args:
        connection: Open, and written to by nobody else.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._commands: list[Words] = []
        self._has_commands = asyncio.Event()

    def post(self, command: Words) -> None:
        """Have a command written, soon."""
        self._commands.append(command)
        self._has_commands.set()

    async def run(self) -> None:
        """
        Send commands as they come, until the connection breaks.

        Raises:
            RedisError, OSError: The connection broke.
        """
        while True:
            await self._has_commands.wait()
            self._has_commands.clear()
            commands, self._commands = self._commands, []
            before = cancellations()
            await self._connection.send_packed_command(packed(commands))
            await heed_cancellation(self._connection, before)
