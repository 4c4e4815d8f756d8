"""
Presence: what is true over time.

It keeps the roster true: who left, left, and a dead gateway's members leave with it.  It brings
what becomes of channels, members and users to whoever wants to know (`lifecycle`), keeps when users
were last seen (`users`) and how far they have read (`receipts`), and answers who is there (`api`).
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from aiohttp import web

from libs.common.apps.port import Apps
from libs.common.bus.port import Bus
from libs.common.control.port import Control
from libs.common.errors import Unavailable
from libs.common.eventlog.port import EventLog
from libs.common.leases.port import Leases
from libs.common.lifecycle.port import Lifecycle
from libs.common.marks.port import Marks
from libs.common.policies.selections import ReceiptRule, SelectedChannels
from libs.common.rates.port import Rates
from libs.common.retry import Backoff
from libs.common.roster.port import Roster
from libs.common.sightings.port import Sightings
from libs.common.telemetry.metrics.families import Metric
from libs.common.tokens.key_ring import KeyRing
from libs.common.typists.port import Typists
from libs.common.web.door.ways import NO_WAYS, Ways
from libs.common.web.health import Dependency
from services.presence import metrics
from services.presence.absences import Absences
from services.presence.access import Access
from services.presence.api import PresenceApi
from services.presence.doors import Doors
from services.presence.lifecycle.consumer import FactConsumer
from services.presence.lifecycle.sinks import Targets
from services.presence.lifecycle.topic import Topic
from services.presence.receipts.announcer import ReadAnnouncer
from services.presence.receipts.api import ReceiptsApi
from services.presence.receipts.receipts import Receipts
from services.presence.receipts.sinks import ReceiptSinks
from services.presence.settings import PresenceSettings
from services.presence.typing.api import TypingApi
from services.presence.users.last_seen import LastSeen
from services.presence.users.online import UserReports
from services.presence.users.pending import PendingSightings
from services.presence.users.retention import Retention, marks_retention, sightings_retention
from services.presence.webhooks.targets import Webhooks


class PresenceRules(Protocol):
    """Rules that concern presence, of a file that was read again."""

    @property
    def receipts(self) -> SelectedChannels[ReceiptRule]:
        """Which channels have read receipts."""


class Presence:
    """
    The presence service.  Any number may run at once.

    Args:
        settings: How often to sweep, when a lease has lapsed for good, and what is kept of users.
        apps: The tenants, whose back ends may ask.
        ring: The keys of channel tokens, with which clients may.
        leases: The leases that are swept.
        roster: Knows who is where.
        typists: Knows who is typing.
        lifecycle: What became of channels, members and users.
        sightings: Keeps when users were last seen.
        bus: Where subscribers are told how far users have read.
        marks: Keeps how far they have.
        receipts: Which channels have read receipts.
        control: Tells which channel tokens are revoked.
        rates: Counts what apps ask.
        events: Takes facts, where `PresenceSettings.lifecycle_topic` is set; None: there is no log.
        webhooks: Those of all apps.
    """

    name = "presence"

    def __init__(
        self,
        settings: PresenceSettings,
        apps: Apps,
        ring: KeyRing,
        *,
        leases: Leases,
        roster: Roster,
        typists: Typists,
        lifecycle: Lifecycle,
        sightings: Sightings,
        bus: Bus,
        marks: Marks,
        receipts: SelectedChannels[ReceiptRule],
        control: Control,
        rates: Rates,
        events: EventLog | None,
        webhooks: Webhooks,
    ) -> None:
        self._settings = settings
        self._apps = apps
        self._leases = leases
        self._control = control
        self._rates = rates
        self._sightings = sightings if settings.keeps_sightings else None
        self._last_seen = _last_seen(self._sightings, settings)
        self._webhooks = webhooks
        self._receipts = Receipts(receipts, marks, bus=bus, lifecycle=lifecycle)
        self._topic = _topic(events, settings, self._receipts)
        self._announcer = ReadAnnouncer(bus)
        self._retentions = list(_retentions(self._sightings, marks, settings))
        own = webhooks, ReceiptSinks(self._receipts, self._announcer)
        targets = Targets(self._topic, self._last_seen, own=own)
        self._consumer = FactConsumer(lifecycle, targets, settings)
        self._absences = absences = Absences()
        self._sweeps = {"found": 0, "nothing": 0, "failed": 0}
        self._access = access = Access(
            apps, ring, control=control, rates=rates, read_timeout=settings.read_timeout
        )
        doors, users = Doors(apps), UserReports(roster, self._sightings, absences=absences)
        self._apis = (
            PresenceApi(doors, access, users, roster=roster, absences=absences),
            ReceiptsApi(doors, access, self._receipts, marks=marks, absences=absences),
            TypingApi(doors, access, typists, ttl=settings.typing_ttl, absences=absences),
        )

    def ways(self) -> Ways:
        """See `libs.common.web.server.Service.ways`."""
        return NO_WAYS

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Answer who is there, who is typing, and how far they have read."""
        return [route for api in self._apis for route in api.routes()]

    async def run(self) -> None:
        """Sweep, hear commands, and bring facts to whoever wants them, until cancelled."""
        async with self._webhooks.opened(), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sweep())
            tasks.create_task(self._access.run())
            tasks.create_task(self._consumer.run())
            tasks.create_task(self._receipts.run())
            tasks.create_task(self._announcer.run())
            if self._last_seen is not None:
                tasks.create_task(self._last_seen.run())
            for retention in self._retentions:
                tasks.create_task(retention.run())

    async def _sweep(self) -> None:
        backoff = Backoff(first=self._settings.sweep_interval)
        while True:
            delay, result, before = self._settings.sweep_interval, "nothing", self._leases.given_up
            try:
                with self._absences.watched("roster"):
                    if await self._leases.sweep(grace=self._settings.lease_grace):
                        delay = 0.0  # There may be more.
                backoff.reset()
            except Unavailable:
                delay, result = backoff.delay(), "failed"
            self._sweeps["found" if self._leases.given_up > before else result] += 1
            await asyncio.sleep(delay)

    def adopt(self, rules: PresenceRules, /) -> None:
        """See `Reloadable.adopt`."""
        self._receipts.rules = rules.receipts

    def metrics(self) -> Iterable[Metric]:
        """See `libs.common.telemetry.metrics.registry.Measured.metrics`."""
        return metrics.read(
            self._consumer,
            self._webhooks,
            self._last_seen,
            sweeps=self._sweeps,
            now=time.time(),
        )

    def figures(self) -> Mapping[str, int]:
        """See `services.process_state.Figured.figures`."""
        counts = self._consumer.counts
        return {
            "partitions": len(self._consumer.partitions),
            "facts": counts["facts"],
            "facts_lost": counts["lost"],
        }

    async def drain(self) -> None:
        """Store what waits to be; another instance goes on where this one was."""
        if self._last_seen is not None:
            await self._last_seen.drain()

    def dependencies(self) -> Iterable[Dependency]:
        """See `libs.common.web.server.Service.dependencies`."""
        yield Dependency("apps", self._apps.check)
        yield Dependency("roster", self._leases.check)
        yield Dependency("control", self._control.check, is_needed=False)
        yield Dependency("rates", self._rates.check, is_needed=False)
        if self._sightings is not None:
            yield Dependency("sightings", self._sightings.check, is_needed=False)
        yield Dependency("marks", self._receipts.check, is_needed=False)
        if self._topic is not None:
            yield Dependency("events", self._topic.check, is_needed=False)
        yield Dependency("webhooks", self._webhooks.check, is_needed=False, is_own=False)


def _topic(events: EventLog | None, settings: PresenceSettings, receipts: Receipts) -> Topic | None:
    if events is None or not settings.lifecycle_topic:
        return None
    return Topic(settings.lifecycle_topic, events, captures=receipts.captures)


def _last_seen(sightings: Sightings | None, settings: PresenceSettings) -> LastSeen | None:
    if sightings is None:
        return None
    return LastSeen(sightings, PendingSightings(keeps_spans=settings.keep_spans > 0))


def _retentions(
    sightings: Sightings | None, marks: Marks, settings: PresenceSettings
) -> Iterator[Retention]:
    yield marks_retention(marks, keep=settings.keep_marks)
    if sightings is not None:
        yield sightings_retention(
            sightings, keep_last_seen=settings.keep_last_seen, keep_spans=settings.keep_spans
        )
