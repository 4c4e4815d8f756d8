"""
HTTP for who asks about users and members: ``/presence/apps/{id}/…``, under any prefix.

Back ends ask about users; clients with a channel token may ask about channels.  Who is not known is
nobody: the answer is empty, and says no more.
"""

from collections.abc import Iterable

from aiohttp import web

from libs.common.channels import check_user_id
from libs.common.errors import Invalid
from libs.common.roster.port import Roster
from libs.common.web.http import answer
from libs.common.web.paths import PREFIX
from services.presence.absences import Absences
from services.presence.access import WORD, Access
from services.presence.answers import told_members
from services.presence.doors import Doors
from services.presence.queries import listing_of, users_of
from services.presence.users.online import UserReports


class NoMembers(Invalid):
    """Members are asked for of a channel that has none."""

    def __init__(self) -> None:
        super().__init__("only presence channels have members")


class PresenceApi:
    """
    The handlers.

    Args:
        doors: Answers back ends and clients.
        access: Tells who asks.
        users: Answers about users.
        roster: Knows who is in a channel.
        absences: Told whether the roster is away.
    """

    def __init__(
        self,
        doors: Doors,
        access: Access,
        users: UserReports,
        *,
        roster: Roster,
        absences: Absences,
    ) -> None:
        self._doors = doors
        self._access = access
        self._users = users
        self._roster = roster
        self._absences = absences

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Serve them under any prefix."""
        app = f"{PREFIX}{WORD}/{{app_id}}"
        doors = self._doors
        members = f"{app}/channels/{{channel}}/members"
        return [
            web.get(f"{app}/online", doors.of_back_ends(self._get_online)),
            web.get(f"{app}/users/{{user_id}}", doors.of_back_ends(self._get_user)),
            web.post(f"{app}/users", doors.of_back_ends(self._post_users)),
            web.get(members, doors.of_clients(self._members)),
            web.options(members, doors.preflight),
        ]

    async def _get_online(self, request: web.Request) -> web.Response:
        call = await self._access.back_end(request)
        return answer(await self._users.listed(listing_of(call.app.id, request.query)))

    async def _get_user(self, request: web.Request) -> web.Response:
        call = await self._access.back_end(request)
        user = request.match_info["user_id"]
        check_user_id(user)
        (told,) = await self._users.told(call.app.id, [user])
        return answer(told)

    async def _post_users(self, request: web.Request) -> web.Response:
        call = await self._access.back_end(request)
        return answer({"users": await self._users.told(call.app.id, users_of(call.body))})

    async def _members(self, request: web.Request) -> web.Response:
        channel = await self._access.channel(request)
        if not channel.is_presence:
            raise NoMembers
        with self._absences.watched("roster"):
            (seated,) = await self._roster.seated([channel])
        return answer(told_members(seated))
