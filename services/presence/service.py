"""
Presence: what is true over time.

It keeps the roster true: who left, left, and a dead gateway's members leave with it.  And it brings
what becomes of channels, members and users to whoever wants to know (`lifecycle`).
"""

import asyncio
from collections.abc import Iterable

from aiohttp import web

from libs.common.errors import Unavailable
from libs.common.eventlog.port import EventLog
from libs.common.leases.port import Leases
from libs.common.lifecycle.port import Lifecycle
from libs.common.retry import Backoff
from libs.common.web.health import Dependency
from services.presence.lifecycle.consumer import FactConsumer
from services.presence.lifecycle.sinks import Targets
from services.presence.lifecycle.topic import Topic
from services.presence.settings import PresenceSettings
from services.presence.webhooks.targets import Webhooks


class Presence:
    """
    The presence service.  Any number may run at once.

    Args:
        settings: How often to sweep, and when a lease has lapsed for good.
        leases: The leases that are swept.
        lifecycle: What became of channels, members and users.
        events: Takes facts, where `PresenceSettings.lifecycle_topic` is set; None: there is no log.
        webhooks: Those of all apps.
    """

    name = "presence"

    def __init__(
        self,
        settings: PresenceSettings,
        *,
        leases: Leases,
        lifecycle: Lifecycle,
        events: EventLog | None,
        webhooks: Webhooks,
    ) -> None:
        self._settings = settings
        self._leases = leases
        self._events = events if settings.lifecycle_topic else None
        topic = Topic(settings.lifecycle_topic, self._events) if self._events else None
        self._webhooks = webhooks
        self._consumer = FactConsumer(lifecycle, Targets(topic, own=webhooks), settings)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Answer nothing on the public address yet."""
        return []

    async def run(self) -> None:
        """Sweep, and bring facts to whoever wants them, until cancelled."""
        async with self._webhooks.opened(), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sweep())
            tasks.create_task(self._consumer.run())

    async def _sweep(self) -> None:
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
        yield Dependency("roster", self._leases.check)
        if self._events is not None:
            yield Dependency("events", self._events.check, is_needed=False)
        yield Dependency("webhooks", self._webhooks.check, is_needed=False)
