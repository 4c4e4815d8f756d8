"""
Who has sent what they typed: a publish that names its user ends that user's typing.

It is told after the publish, and is worth no more than one attempt: what nobody is told of is over
within `presence.typing_ttl` by itself.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from libs.common.channels import Channel
from libs.common.errors import Unavailable
from libs.common.typists.port import Report, Typists


class Sender(NamedTuple):
    """A user who has sent something to a channel."""

    channel: Channel
    user_id: str


class Senders:
    """
    Tells typists of users who have sent something.

    Args:
        typists: Told that they have stopped.
    """

    def __init__(self, typists: Typists) -> None:
        self._typists = typists

    async def sent(self, senders: Iterable[Sender]) -> None:
        """End the typing of these users, each in the channel; where that fails, nothing does."""
        reports = [Report(*sender, "", 0.0, everywhere=True) for sender in dict.fromkeys(senders)]
        if reports:
            with suppress(Unavailable):
                await self._typists.report(reports)
