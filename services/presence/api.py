"""
HTTP for who asks about users and members: ``/presence/apps/{id}/…``, under any prefix.

Back ends ask about users; clients with a channel token may ask about channels.  Who is not known is
nobody: the answer is empty, and says no more.
"""

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from libs.common.apps.port import Apps
from libs.common.channels import check_user_id
from libs.common.errors import Denied, Invalid, Unavailable
from libs.common.roster.port import Roster
from libs.common.tokens.key_ring import BadChannelToken
from libs.common.web import http
from libs.common.web.authentication import BASIC
from libs.common.web.cors import permission, preflight
from libs.common.web.http import answer, answered
from libs.common.web.paths import PREFIX
from services.presence.absences import Absences
from services.presence.access import WORD, Access
from services.presence.answers import told_members
from services.presence.queries import listing_of, users_of
from services.presence.users.online import UserReports

_REALM = 'Bearer realm="fanfare"'

Work = Callable[[web.Request], Awaitable[web.Response]]


class NoMembers(Invalid):
    """Members are asked for of a channel that has none."""

    def __init__(self) -> None:
        super().__init__("only presence channels have members")


class PresenceApi:
    """
    The handlers.

    Args:
        apps: The tenants, for the origins of their pages.
        access: Tells who asks.
        users: Answers about users.
        roster: Knows who is in a channel.
        absences: Told whether the roster is away.
    """

    def __init__(
        self,
        apps: Apps,
        access: Access,
        users: UserReports,
        *,
        roster: Roster,
        absences: Absences,
    ) -> None:
        self._apps = apps
        self._access = access
        self._users = users
        self._roster = roster
        self._absences = absences

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Serve them under any prefix."""
        app = f"{PREFIX}{WORD}/{{app_id}}"
        members = f"{app}/channels/{{channel}}/members"
        return [
            web.get(f"{app}/online", self._of_back_ends(self._get_online)),
            web.get(f"{app}/users/{{user_id}}", self._of_back_ends(self._get_user)),
            web.post(f"{app}/users", self._of_back_ends(self._post_users)),
            web.get(members, self._get_members),
            web.options(members, self._allow_origin),
        ]

    def _of_back_ends(self, work: Work) -> Work:
        async def handle(request: web.Request) -> web.Response:
            return await answered(request, work, challenge=lambda _: BASIC)

        return handle

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

    async def _get_members(self, request: web.Request) -> web.Response:
        response = await answered(request, self._members, challenge=_challenge)
        # Of refusals too: without them a page cannot read why.
        response.headers.update(self._permission(request))
        return response

    async def _members(self, request: web.Request) -> web.Response:
        channel = await self._access.channel(request)
        if not channel.is_presence:
            raise NoMembers
        with self._absences.watched("roster"):
            (seated,) = await self._roster.seated([channel])
        return answer(told_members(seated))

    async def _allow_origin(self, request: web.Request) -> web.Response:
        """Answer a browser that asks, before a page of another origin does."""
        headers = self._permission(request)
        if "Access-Control-Allow-Origin" in headers:
            headers |= preflight(request.headers, method="GET")
        return web.Response(status=204, headers=headers)

    def _permission(self, request: web.Request) -> dict[str, str]:
        try:
            apps = (self._apps.by_id(request.match_info["app_id"]),)
        except (Denied, Unavailable):
            return permission(request.headers, ())
        return permission(request.headers, apps)


def _challenge(error: http.Refusable) -> str:
    """Word a ``WWW-Authenticate`` (RFC 6750, 3: a request without a token gets no error code)."""
    if not isinstance(error, BadChannelToken):
        return _REALM
    return f'{_REALM}, error="invalid_token", error_description="{error}"'
