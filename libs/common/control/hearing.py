"""
Hearing what control says: each command, and the moment from which all in force are known.

Whoever refuses something because of a command that was given earlier must not let it pass before
that moment: it is the first silence.  While control is away nothing comes, and it is no silence;
what was heard until then holds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from libs.common.control.commands import Command
from libs.common.control.port import Control
from libs.common.errors import Unavailable
from libs.common.retry import Backoff

POLL = 1.0  # Seconds that one look for commands waits.


async def hear(
    control: Control,
    take: Callable[[Sequence[Command]], Awaitable[None]],
    *,
    informed: Callable[[], None],
) -> None:
    """
    Hear commands until cancelled, also while control comes and goes.

    Args:
        control: Announces and remembers them.
        take: Carries out those that came together, at least one, in the order in which they came;
            what comes next waits for it.
        informed: Called once, when all commands in force have been taken.
    """
    backoff, is_informed = Backoff(), False
    async with control.listen() as listener:
        while True:
            try:
                commands = await listener.receive(POLL if is_informed else 0.0)
            except Unavailable:
                await asyncio.sleep(backoff.delay())
                continue
            backoff.reset()
            if commands:
                await take(commands)
            elif not is_informed:  # See `CommandListener.receive`.
                is_informed = True
                informed()
