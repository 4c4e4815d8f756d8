"""
Hears what control orders: which channel tokens are revoked.

A token counts as good only after all orders in force have been heard once.  While control is away afterwards, what is
known holds.
"""

import asyncio
from collections.abc import Callable

import structlog

from libs.common.control.commands import Command
from libs.common.control.port import CommandListener, Control
from libs.common.errors import Unavailable
from libs.common.retry import Backoff
from libs.common.tokens.channel_tokens import ChannelToken
from libs.common.tokens.revocations import Revocations

log = structlog.get_logger()

POLL = 1.0  # Seconds that one look for orders waits.


class RevocationList:
    """
    Orders about tokens, given and heard.

    Args:
        control: Announces and remembers them.
        revocations: What is known of them here.
        clock: UTC epoch seconds.
    """

    def __init__(
        self, control: Control, revocations: Revocations, *, clock: Callable[[], float]
    ) -> None:
        self._control = control
        self._clock = clock
        self._revocations = revocations
        self._has_heard = False

    async def run(self) -> None:
        """Hear orders until cancelled."""
        backoff = Backoff()
        async with self._control.listen() as listener:
            while True:
                try:
                    await self._hear(listener)
                except Unavailable:
                    await asyncio.sleep(backoff.delay())
                else:
                    backoff.reset()

    async def send(self, command: Command) -> None:
        """
        Give an order, and hold to it here at once.

        Raises:
            Unavailable: Control is away; the order may have been given.
        """
        await self._control.send(command)
        self._note(command)

    def check(self, token: ChannelToken) -> None:
        """
        Let a token pass that is not revoked.

        Raises:
            RevokedToken: It is.
            Unavailable: The orders in force were not heard yet.
        """
        if not self._has_heard:
            raise Unavailable("control")
        self._revocations.check(token, self._clock())

    async def _hear(self, listener: CommandListener) -> None:
        """Take what has come.  A first silence tells that all orders in force were among it."""
        revocations = await listener.receive(POLL if self._has_heard else 0)
        for command in revocations:
            self._note(command)
        if not revocations:
            self._has_heard = True

    def _note(self, command: Command) -> None:
        app = self._revocations.add(command, self._clock())
        if app:
            log.error("revocations.folded", app=app, revocations=len(self._revocations))
