"""
HTTP of typing: ``…/channels/{name}/typing``.

Back ends tell that a user types, in channels of any kind but encrypted ones; they ask who does, and
so may who holds a token that covers the channel.
"""

from collections.abc import Iterable

from aiohttp import web

from libs.common.typists.port import Typists
from libs.common.web.http import answer
from libs.common.web.paths import PREFIX
from services.presence.absences import Absences
from services.presence.access import WORD, Access
from services.presence.doors import Doors
from services.presence.typing.requests import (
    TooManyTypists,
    check_typing,
    report_of,
    told_typing,
)


class TypingApi:
    """
    The handlers.

    Args:
        doors: Answers back ends and clients.
        access: Tells who asks.
        typists: Knows who is typing.
        ttl: Seconds for which a user types, unless that is said again; 0: nobody ever does.
        absences: Told whether the backend is away.
    """

    def __init__(
        self,
        doors: Doors,
        access: Access,
        typists: Typists,
        *,
        ttl: float,
        absences: Absences,
    ) -> None:
        self._doors = doors
        self._access = access
        self._typists = typists
        self._ttl = ttl
        self._absences = absences

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Serve them under any prefix."""
        typing = f"{PREFIX}{WORD}/{{app_id}}/channels/{{channel}}/typing"
        return [
            web.post(typing, self._doors.of_back_ends(self._post)),
            web.get(typing, self._doors.of_clients(self._get)),
            web.options(typing, self._doors.preflight),
        ]

    async def _post(self, request: web.Request) -> web.Response:
        channel, body = await self._access.back_end_channel(request, "typing")
        check_typing(channel, ttl=self._ttl)
        report = report_of(channel, body, ttl=self._ttl)
        with self._absences.watched("roster"):
            (is_taken,) = await self._typists.report([report])
        if not is_taken:
            raise TooManyTypists
        return answer({"user_id": report.user_id, "typing": report.lasts > 0})

    async def _get(self, request: web.Request) -> web.Response:
        channel = await self._access.channel(request)
        check_typing(channel, ttl=self._ttl)
        with self._absences.watched("roster"):
            (typing,) = await self._typists.typing([channel])
        return answer(told_typing(typing))
