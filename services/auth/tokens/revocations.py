"""
Hears from control which channel tokens are revoked.

A token counts as good only after all commands in force have been heard once (`control.hearing`).
"""

from collections.abc import Callable, Sequence

import structlog

from libs.common.control.commands import Command
from libs.common.control.hearing import hear
from libs.common.control.port import Control, TooManyCommands
from libs.common.errors import Unavailable
from libs.common.fairness.turns import in_turns
from libs.common.rates.limited import counting
from libs.common.tokens.channel_tokens import ChannelToken
from libs.common.tokens.revocations import Revocations

log = structlog.get_logger()


class RevocationList:
    """
    Commands about tokens, given and heard.

    Args:
        control: Announces and remembers commands.
        revocations: What is known here of tokens that are revoked.
        clock: UTC epoch seconds.
    """

    def __init__(
        self, control: Control, revocations: Revocations, *, clock: Callable[[], float]
    ) -> None:
        self._control = control
        self._clock = clock
        self._revocations = revocations
        self._knows_all = False

    async def run(self) -> None:
        """Hear commands until cancelled."""
        await hear(self._control, self._take, informed=self._know_all)

    async def _take(self, commands: Sequence[Command]) -> None:
        async for command in in_turns(commands):
            self._note(command)

    def _know_all(self) -> None:
        self._knows_all = True

    async def send(self, command: Command, *, most: int) -> None:
        """
        Give a command, and hold to it here at once.

        Args:
            command: The command.
            most: Revocations of its app that may be in force; 0 or less: any number.

        Raises:
            TooManyCommands: So many are.
            Unavailable: Control is away; the command may have been given.
        """
        with counting("commands", TooManyCommands):
            await self._control.send(command, most=most)
        self._note(command)

    def check(self, token: ChannelToken) -> None:
        """
        Let a token pass that is not revoked.

        Raises:
            RevokedToken: The token is revoked.
            Unavailable: The commands in force were not heard yet.
        """
        if not self._knows_all:
            raise Unavailable("control")
        self._revocations.check(token, self._clock())

    def _note(self, command: Command) -> None:
        app = self._revocations.add(command, self._clock())
        if app:
            log.error("revocations.folded", app=app)
