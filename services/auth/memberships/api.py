"""
Memberships over HTTP, for back ends: put and removed.

The app is the one whose back end calls.
"""

import time
from collections.abc import Awaitable, Callable, Collection, Iterable

import structlog
from aiohttp import web

from libs.common.memberships.membership import Change, Membership, Put, Removed
from libs.common.memberships.port import Memberships
from libs.common.web.authentication import AppCall
from libs.common.web.http import answer
from services.auth.back_ends import BackEnds
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
    """

    def __init__(
        self,
        back_ends: BackEnds,
        memberships: Memberships,
        *,
        heed: Callable[[Change], None],
    ) -> None:
        self._back_ends = back_ends
        self._memberships = memberships
        self._heed = heed

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the endpoints; they stand under no prefix, as back ends know where they call."""
        return [web.put(PATH, self._put), web.delete(PATH, self._remove)]

    async def _put(self, request: web.Request) -> web.Response:
        return await self._changed(request, self._memberships.put, Put)

    async def _remove(self, request: web.Request) -> web.Response:
        return await self._changed(
            request, self._memberships.remove, lambda each: Removed(each, time.time())
        )

    async def _changed(
        self,
        request: web.Request,
        work: Callable[[Collection[Membership]], Awaitable[int]],
        change: Callable[[Membership], Change],
    ) -> web.Response:
        """Answer ``{"changed": 2}``: of how many it was not so before."""

        async def change_them(call: AppCall) -> web.Response:
            memberships = memberships_of(call.body, call.app.id)
            changed = await work(memberships)
            for membership in memberships:
                self._heed(change(membership))
            log.info("memberships.changed", app=call.app.id, method=request.method, changed=changed)
            return answer({"changed": changed})

        return await self._back_ends.answered(request, change_them)
