"""
Presence: what is true over time.

For now it keeps the roster true: who left, left, and a dead gateway's members leave with it.
"""

import asyncio
from collections.abc import Iterable

import structlog
from aiohttp import web

from libs.common.errors import Unavailable
from libs.common.leases.port import Leases
from libs.common.retry import Backoff
from services.presence.settings import PresenceSettings

log = structlog.get_logger()


class Presence:
    """
    The presence service.  Any number may run at once.

    Args:
        settings: Its timers.
        leases: What it sweeps.
    """

    name = "presence"

    def __init__(self, settings: PresenceSettings, *, leases: Leases) -> None:
        self._settings = settings
        self._leases = leases
        self._roster_is_away = False

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
                self._note(away=False)
                backoff.reset()
            except Unavailable:
                self._note(away=True)
                delay = backoff.delay()
            await asyncio.sleep(delay)

    def _note(self, *, away: bool) -> None:
        if away == self._roster_is_away:
            return
        self._roster_is_away = away
        if away:
            log.warning("roster.away")
        else:
            log.info("roster.back")

    def adopt(self, _: object, /) -> None:
        """See `Reloadable.adopt`: no rule concerns presence yet."""

    async def drain(self) -> None:
        """Stop at once: another instance goes on where this one was."""

    def health(self) -> dict[str, str]:
        """See `runtime.Service.health`."""
        return {"roster": "away" if self._roster_is_away else "ok"}
