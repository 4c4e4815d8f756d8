"""
HTTP of read receipts: ``…/channels/{name}/read``.

Back ends tell how far a user has read; they ask for it, and so may who holds a token that covers
the channel.
"""

from collections.abc import Iterable
from typing import Any, NoReturn

from aiohttp import web

from libs.common.channels import Channel, check_user_id
from libs.common.errors import Invalid, Unavailable
from libs.common.marks.mark import Mark
from libs.common.marks.port import Marks, Reading
from libs.common.web.http import answer
from libs.common.web.paths import PREFIX
from services.presence.absences import Absences
from services.presence.access import WORD, Access
from services.presence.doors import Doors
from services.presence.receipts.receipts import Receipts
from services.presence.receipts.requests import (
    PastEpoch,
    check_rule,
    page_of,
    reading_of,
    told_mark,
)


class ReceiptsApi:
    """
    The handlers.

    Args:
        doors: Answers back ends and clients.
        access: Tells who asks.
        receipts: Takes marks.
        marks: Tells those that stand.
        absences: Told whether a backend is away.
    """

    def __init__(
        self,
        doors: Doors,
        access: Access,
        receipts: Receipts,
        *,
        marks: Marks,
        absences: Absences,
    ) -> None:
        self._doors = doors
        self._access = access
        self._receipts = receipts
        self._marks = marks
        self._absences = absences

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Serve them under any prefix."""
        read = f"{PREFIX}{WORD}/{{app_id}}/channels/{{channel}}/read"
        return [
            web.post(read, self._doors.of_back_ends(self._post)),
            web.get(read, self._doors.of_clients(self._get)),
            web.options(read, self._doors.preflight),
        ]

    async def _post(self, request: web.Request) -> web.Response:
        channel, body = await self._access.back_end_channel(request, "marks")
        reading = reading_of(channel, body, check_rule(channel, self._receipts.rules))
        mark = await self._moved(reading)
        return answer(told_mark(reading.user_id, mark))

    async def _moved(self, reading: Reading) -> Mark:
        with self._absences.watched("marks", perhaps=("bus", "roster")):
            (moved,) = await self._receipts.move([reading])
            if isinstance(moved, Unavailable):
                raise moved
            stands = moved or await self._marks.mark(reading.channel, reading.user_id)
        if isinstance(stands, Invalid):
            raise stands
        return stands or await self._refuse(reading.channel)

    async def _refuse(self, channel: Channel) -> NoReturn:
        with self._absences.watched("bus"):
            top = await self._receipts.top(channel)
        raise PastEpoch(top.epoch)

    async def _get(self, request: web.Request) -> web.Response:
        channel = await self._access.channel(request)
        check_rule(channel, self._receipts.rules)
        if "user_id" in request.query:
            return answer(await self._told(channel, request.query["user_id"]))
        page = page_of(channel, request.query)
        with self._absences.watched("marks"):
            marks = await self._marks.page(channel, after=page.after, limit=page.limit + 1)
        return answer(page.told(marks))

    async def _told(self, channel: Channel, user_id: str) -> dict[str, Any]:
        check_user_id(user_id)
        with self._absences.watched("marks"):
            mark = await self._marks.mark(channel, user_id)
        if mark is None or not mark.epoch:
            return told_mark(user_id, mark)
        with self._absences.watched("bus"):
            top = await self._receipts.top(channel)
        return told_mark(user_id, mark, top=top)
