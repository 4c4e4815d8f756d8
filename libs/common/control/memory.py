"""Control for a single process: the reference implementation of `control.port.Control`."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from libs.common.control.commands import Command
from libs.common.control.port import CommandListener, TooManyCommands


class MemoryControl:
    """Control for one process.  See `Control`."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._commands: list[tuple[int, Command]] = []
        self._known: set[Command] = set()
        self._kept: Counter[tuple[str, str]] = Counter()  # By app and verb.
        self._numbers = itertools.count(1)
        self._sent = asyncio.Condition()

    async def check(self) -> None:
        """See `Control.check`: it is this process."""

    async def send(self, command: Command, *, most: int = 0) -> None:
        """See `Control.send`."""
        async with self._sent:
            self._forget_expired()
            if command in self._known:
                return
            await self.check_room(command.app, command.verb, most=most)
            self._known.add(command)
            self._kept[command.app, command.verb] += 1
            self._commands.append((next(self._numbers), command))
            self._sent.notify_all()

    async def check_room(self, app: str, verb: str, *, most: int) -> None:
        """See `Control.check_room`."""
        self._forget_expired()
        if most <= 0 or self._kept[app, verb] < most:
            return
        kept = (each for _, each in self._commands if (each.app, each.verb) == (app, verb))
        ends = sorted(each.expires_at for each in kept)
        raise TooManyCommands(most, wait=ends[-most] - self._clock())

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[CommandListener]:
        """See `Control.listen`."""
        yield MemoryCommandListener(self)

    async def after(self, number: int, timeout: float) -> list[tuple[int, Command]]:
        """Wait for commands in force with higher numbers than this; return them with theirs."""
        async with self._sent:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._sent.wait_for(lambda: self._newer(number))
            return self._newer(number)

    def _newer(self, number: int) -> list[tuple[int, Command]]:
        self._forget_expired()
        return [item for item in self._commands if item[0] > number]

    def _forget_expired(self) -> None:
        now = self._clock()
        kept = [item for item in self._commands if item[1].expires_at > now]
        if len(kept) < len(self._commands):
            self._commands, self._known = kept, {command for _, command in kept}
            self._kept = Counter((command.app, command.verb) for _, command in kept)


class MemoryCommandListener:
    """A `CommandListener` of a `MemoryControl`."""

    def __init__(self, control: MemoryControl) -> None:
        self._control = control
        self._number = 0

    async def receive(self, timeout: float) -> list[Command]:
        """See `CommandListener.receive`."""
        commands = await self._control.after(self._number, timeout)
        self._number = max((number for number, _ in commands), default=self._number)
        return [command for _, command in commands]
