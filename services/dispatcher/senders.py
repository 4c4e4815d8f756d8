"""
Who has sent what they typed: a publish that names its user ends that user's typing.

It is told after the publish, and is worth no more than one attempt, for a moment: what nobody is
told of is over within `presence.typing_ttl` by itself.
"""

import asyncio
from collections.abc import Iterable

from libs.common.channels import ChannelUser
from libs.common.errors import Unavailable
from libs.common.typists.port import Report, Typists
from services.dispatcher.counters import DispatcherCounters

PATIENCE = 0.5  # Seconds for which a publish waits for the typists at most.


class Senders:
    """
    Tells typists of users who have sent something.

    Args:
        typists: Told that they have stopped.
        counters: Counts those of whom that could not be told.
        patience: Seconds for which it is tried.
    """

    def __init__(
        self, typists: Typists, counters: DispatcherCounters, *, patience: float = PATIENCE
    ) -> None:
        self._typists = typists
        self._counters = counters
        self._patience = patience

    async def sent(self, senders: Iterable[ChannelUser]) -> None:
        """End the typing of these users, each in the channel; where that fails, nothing does."""
        reports = [Report(*sender, "", 0.0, everywhere=True) for sender in dict.fromkeys(senders)]
        if not reports:
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._typists.report(reports)
        except (Unavailable, TimeoutError):
            self._counters.senders_untold += len(reports)
