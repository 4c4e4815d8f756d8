"""
Control: commands to every gateway, announced at once and remembered for a while.

`Control` is the port, `MemoryControl` its reference implementation for a single process;
`control.redis` is the other.
"""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from libs.common.control.commands import Command
from libs.common.errors import Invalid


class TooManyCommands(Invalid):
    """As many commands of a kind are in force in an app as may be."""

    status = 429

    def __init__(self, most: int, *, wait: float) -> None:
        super().__init__(f"limits.commands: {most} of these are in force in the app")
        self.retry_after = wait


class CommandListener(Protocol):
    """Receives commands, each at least once, those of one sender in the sender's sequence."""

    async def receive(self, timeout: float) -> list[Command]:
        """
        Wait up to ``timeout`` seconds for commands, and take all that have arrived.

        After an interruption it goes on where it was; nothing that is still remembered is skipped.
        Nothing comes only when all commands in force have come before.

        Raises:
            Unavailable: Control is away; call again.
        """


class Control(Protocol):
    """
    Commands to every gateway.

    A command that was sent is received by every listener, also by one that begins or comes back
    later, as long as it has not expired.
    """

    async def check(self) -> None:
        """
        Ask the backend whether it can be used now; an operator's question, which costs a little.

        Raises:
            Unavailable: It is away, or refuses what this process asks of it; the cause says why.
        """

    async def send(self, command: Command, *, most: int = 0) -> None:
        """
        Announce a command, and remember it until it expires.

        One that is remembered already is not announced again.  None that is remembered makes room
        for another: whoever was told that a token is revoked may rely on it.

        Args:
            command: The command.
            most: Commands of its app and verb that may be remembered; 0 or less: any number.

        Raises:
            TooManyCommands: So many are.
            Unavailable: Control is away; the command may have been sent.
        """

    async def check_room(self, app: str, verb: str, *, most: int) -> None:
        """
        See whether another command of an app and a verb would be remembered.

        Args:
            app: The app's id.
            verb: What the command would do.
            most: Commands of both that may be remembered; 0 or less: any number.

        Raises:
            TooManyCommands: So many are.
            Unavailable: Control is away.
        """

    def listen(self) -> AbstractAsyncContextManager[CommandListener]:
        """Receive the commands in force, and then those to come."""
