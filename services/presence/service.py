"""
Presence: what is true over time.

For now it keeps the roster true: who left, left, and a dead gateway's members leave with it.
"""

import asyncio
from collections.abc import Iterable

from aiohttp import web

from libs.common.errors import Unavailable
from libs.common.leases.port import Leases
from libs.common.retry import Backoff
from libs.common.web.health import Dependency
from services.presence.settings import PresenceSettings


class Presence:
    """
    The presence service.  Any number may run at once.

    Args:
        settings: How often to sweep, and when a lease has lapsed for good.
        leases: The leases that are swept.
    """

    name = "presence"

    def __init__(self, settings: PresenceSettings, *, leases: Leases) -> None:
        self._settings = settings
        self._leases = leases

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Answer nothing on the public address yet."""
        return []

    async def run(self) -> None:
        """Sweep until cancelled."""
        backoff = Backoff(first=self._settings.sweep_interval)
        while True:
            delay = self._settings.sweep_interval
            try:
                if await self._leases.sweep(grace=self._settings.lease_grace):
                    delay = 0.0
                backoff.reset()
            except Unavailable:
                delay = backoff.delay()
            await asyncio.sleep(delay)

    def adopt(self, _: object, /) -> None:
        """See `Reloadable.adopt`: no rule concerns presence yet."""

    async def drain(self) -> None:
        """Stop at once: another instance goes on where this one was."""

    def dependencies(self) -> Iterable[Dependency]:
        """See `libs.common.web.server.Service.dependencies`."""
        return [Dependency("roster", self._leases.check)]
