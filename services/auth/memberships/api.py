"""
Memberships over HTTP, for back ends: put and removed.

The app is the one whose back end calls.
"""

import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress

import structlog
from aiohttp import web

from libs.common.apps.app import App
from libs.common.control.port import Control, TooManyCommands
from libs.common.errors import Unavailable
from libs.common.fairness.turns import in_turns
from libs.common.memberships.membership import Change, Membership, Put, Removed
from libs.common.memberships.port import Memberships
from libs.common.rates.limited import counting
from libs.common.web.authentication import AppCall
from libs.common.web.http import answer
from services.auth.back_ends import BackEnds
from services.auth.memberships.expulsion import VERB
from services.auth.memberships.requests import memberships_of

PATH = "/auth/memberships"

log = structlog.get_logger()


class MembershipsApi:
    """
    The endpoints.

    Args:
        back_ends: Whose requests are answered.
        memberships: Where they are put and removed.
        heed: Told of each change, so that this process answers by it at once.
        control: Knows how many users are kept out of channels that memberships had opened.
    """

    def __init__(
        self,
        back_ends: BackEnds,
        memberships: Memberships,
        *,
        heed: Callable[[Change], None],
        control: Control,
    ) -> None:
        self._back_ends = back_ends
        self._memberships = memberships
        self._heed = heed
        self._control = control

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the endpoints; they stand under no prefix, as back ends know where they call."""
        return [web.put(PATH, self._put), web.delete(PATH, self._remove)]

    async def _put(self, request: web.Request) -> web.Response:
        return await self._changed(request, self._begin, Put)

    async def _remove(self, request: web.Request) -> web.Response:
        return await self._changed(request, self._end, lambda each: Removed(each, time.time()))

    async def _begin(self, memberships: Collection[Membership], _: App) -> int:
        return await self._memberships.put(memberships)

    async def _end(self, memberships: Collection[Membership], app: App) -> int:
        # Each may become a command to gateways.  Those are never refused: what leads to them is.
        # While nobody can tell how many there are, nobody is kept from removing.
        with suppress(Unavailable), counting("commands", TooManyCommands):
            await self._control.check_room(app.id, VERB, most=app.limits.commands)
        return await self._memberships.remove(memberships)

    async def _changed(
        self,
        request: web.Request,
        work: Callable[[Collection[Membership], App], Awaitable[int]],
        change: Callable[[Membership], Change],
    ) -> web.Response:
        """Answer ``{"changed": 2}``: of how many it was not so before."""

        async def change_them(call: AppCall) -> web.Response:
            memberships = memberships_of(call.body, call.app.id)
            rate, cost = call.app.limits.memberships, len(memberships)
            await self._back_ends.check(call, "memberships", rate=rate, cost=cost)
            changed = await work(memberships, call.app)
            async for membership in in_turns(memberships):
                self._heed(change(membership))
            log.info("memberships.changed", app=call.app.id, method=request.method, changed=changed)
            return answer({"changed": changed})

        return await self._back_ends.answered(request, change_them)
