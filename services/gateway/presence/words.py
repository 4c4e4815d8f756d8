"""What clients say of their users: who types, and how far each has read; to whom that is told."""

import asyncio
from collections.abc import Collection

from libs.common.channels import Channel
from services.gateway.connections.connection import Connection
from services.gateway.presence.mark_reports import MarkReports
from services.gateway.presence.typing_lists import TypingLists
from services.gateway.presence.typing_reports import TypingReports
from services.gateway.protocol.effects import HasRead, UserWord


class Words:
    """
    Hands on what clients say of their users, and what becomes of them, to those who keep it.

    Args:
        reports: Tell the typists of all gateways who types on this one.
        lists: Know who types in the channels that are followed here.
        marks: Pass on how far users have read.
    """

    def __init__(self, reports: TypingReports, lists: TypingLists, marks: MarkReports) -> None:
        self._reports = reports
        self._lists = lists
        self._marks = marks

    @property
    def typing(self) -> int:
        """How many users type here or did so a moment ago, each in each channel."""
        return len(self._reports)

    @property
    def marks(self) -> int:
        """How many marks wait to be passed on."""
        return len(self._marks)

    def told(self, connection: Connection, word: UserWord) -> None:
        """Know what a connection says of its user."""
        if isinstance(word, HasRead):
            self._marks.told(connection, word)
        else:
            self._reports.told(connection, word)

    def left(self, connection: Connection, channel: Channel) -> None:
        """Know that a connection is in a channel no more."""
        self._reports.left(connection, channel)

    def followed(self, channels: Collection[Channel]) -> None:
        """Know that channels are followed from now on."""
        self._lists.followed(channels)

    def restate(self) -> None:
        """Tell and read anew what the backend may have lost, or this gateway have missed."""
        self._reports.restate()
        self._lists.restate()

    async def settled(self) -> None:
        """Return once all was told that clients have said; the caller sets the deadline."""
        await self._reports.settled()
        await self._marks.settled()

    async def run(self) -> None:
        """Tell and read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reports.run())
            tasks.create_task(self._lists.run())
            tasks.create_task(self._marks.run())
