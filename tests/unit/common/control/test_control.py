"""Control in memory: what its contract does not see."""

import asyncio

from libs.common.control.commands import Command
from libs.common.control.memory import MemoryControl


class TestForgetting:
    """Expired commands are forgotten."""

    async def test_on_sending(self) -> None:
        """What is kept is what is in force."""
        now = 0.0
        control = MemoryControl(lambda: now)
        for number in range(100):
            now = float(number)
            await control.send(Command("revoke", "1", str(number), now, now + 5))

        async with control.listen() as listener:
            subjects = [command.subject for command in await listener.receive(0)]

        assert subjects == ["95", "96", "97", "98", "99"]
        assert len(control._commands) == 5

    async def test_expired_while_away(self) -> None:
        """A command that expired before a listener came back does not end its next wait."""
        now = 0.0
        control = MemoryControl(lambda: now)
        async with control.listen() as listener, asyncio.TaskGroup() as tasks:
            await control.send(Command("revoke", "1", "missed", now, now + 5))
            now = 5.0
            waiting = tasks.create_task(listener.receive(10.0))
            await asyncio.sleep(0)
            is_waiting = not waiting.done()
            await control.send(Command("revoke", "1", "next", now, now + 5))

        assert is_waiting
        assert [command.subject for command in waiting.result()] == ["next"]
