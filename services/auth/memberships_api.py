"""
Memberships over HTTP, for back ends: put and removed, in requests that are signed as for the Pusher HTTP API.

The app is the one that the signing key names.
"""

import time
from collections.abc import Awaitable, Callable, Collection, Iterable

import structlog
from aiohttp import web

from libs.common.belonging import Change, Membership, Put, Removed
from libs.common.callers import Callers
from libs.common.memberships import Memberships
from libs.common.rates import Act
from libs.common.throttle import Throttle
from libs.common.web import answer
from services.auth.membership_requests import memberships_of

PATH = "/auth/memberships"

log = structlog.get_logger()


class MembershipsApi:
    """
    The endpoints.

    Args:
        callers: Knows back ends.
        memberships: Takes what they say.
        heed: Told of each change, so that who is answered by this process sees it at once.
        throttle: Holds apps to their rates.
    """

    def __init__(
        self,
        callers: Callers,
        memberships: Memberships,
        *,
        heed: Callable[[Change], None],
        throttle: Throttle,
    ) -> None:
        self._callers = callers
        self._memberships = memberships
        self._heed = heed
        self._throttle = throttle

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
        call = await self._callers.signed(request)
        act = Act(call.app.id, "auth_requests")
        await self._throttle.check(act, rate=call.app.limits.auth_requests)
        memberships = memberships_of(call.body, call.app.id)
        changed = await work(memberships)
        for membership in memberships:
            self._heed(change(membership))
        log.info("memberships.changed", app=call.app.id, method=request.method, changed=changed)
        return answer({"changed": changed})
