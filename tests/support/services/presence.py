"""Presence on faulty ports in memory, behind a real server; and what its users do."""

import itertools
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.apps.port import Apps
from libs.common.bus.memory import MemoryBus
from libs.common.bus.port import Bus
from libs.common.channels import Channel, online_channel
from libs.common.config.address import Address
from libs.common.config.secret import Secret
from libs.common.control.memory import MemoryControl
from libs.common.control.port import Control
from libs.common.leases.memory import MemoryLeases
from libs.common.leases.port import Leases
from libs.common.lifecycle.memory import MemoryLifecycle
from libs.common.lifecycle.port import Lifecycle
from libs.common.marks.port import Marks
from libs.common.policies.selections import ReceiptRule, SelectedChannels
from libs.common.rates.memory import MemoryRates
from libs.common.rates.port import Rates
from libs.common.roster.port import JoinRequest, Roster, Seat
from libs.common.sightings.port import Sightings
from libs.common.typists.memory import MemoryTypists
from libs.common.typists.port import Typists
from libs.common.web.server import Server
from services.presence.service import Presence
from services.presence.settings import PresenceSettings
from tests.support.fakes.faults import FaultyBus, FaultyRoster
from tests.support.fakes.typists import FaultyTypists, faulty_typists
from tests.support.ports.marks import FaultyMarks
from tests.support.ports.sightings import FaultySightings
from tests.support.services.webhooks import Site
from tests.support.serving import serving
from tests.support.tokens.channel_tokens import ring

APP = App(id="1", key="app-key", secrets=(Secret("app-secret"),))
OFF = App(id="2", key="off-key", secrets=(Secret("off-secret"),), enabled=False)
LOOPBACK = (Address("127.0.0.1", 0),)
GATEWAY = "g1"

_NUMBERS = itertools.count()


def make_presence(
    settings: PresenceSettings,
    *,
    roster: Roster,
    leases: Leases,
    typists: Typists | None = None,
    apps: Apps | None = None,
    lifecycle: Lifecycle | None = None,
    sightings: Sightings | None = None,
    bus: Bus | None = None,
    marks: Marks | None = None,
    receipts: Iterable[ReceiptRule] = (),
    control: Control | None = None,
    rates: Rates | None = None,
) -> Presence:
    """Make presence; whatever is not given is in memory, and its own.  Apps have no webhooks."""
    return Presence(
        settings,
        apps or MemoryApps([APP, OFF]),
        ring(),
        leases=leases,
        roster=roster,
        typists=typists or MemoryTypists(lambda _: None, MemoryLeases(), lambda _: 0),
        lifecycle=lifecycle or MemoryLifecycle(),
        sightings=sightings or FaultySightings(),
        bus=bus or MemoryBus(),
        marks=marks or FaultyMarks(),
        receipts=SelectedChannels(receipts),
        control=control or MemoryControl(),
        rates=rates or MemoryRates(),
        events=None,
        webhooks=Site(MemoryApps([])).webhooks,
    )


@dataclass(frozen=True, slots=True)
class ServedPresence:
    """
    Presence that is served.

    Attributes:
        url: Where back ends and clients come.
        roster: Who is where.
        sightings: When users were last seen.
        typists: Who is typing.
        bus: Where subscribers are.
        marks: How far users have read.
        lifecycle: The streams of facts.
        control: To give commands.
        presence: The service.
    """

    url: str
    roster: FaultyRoster
    sightings: FaultySightings
    typists: FaultyTypists
    bus: FaultyBus
    marks: FaultyMarks
    lifecycle: MemoryLifecycle
    control: MemoryControl
    presence: Presence

    async def connect(
        self, user: str, *devices: str, app: str = "1", activity: str = "active"
    ) -> list[Seat]:
        """Let connections of a user come, one of each of the devices; return their seats."""
        channel, seats = online_channel(app, user), []
        for device in devices:
            seats.append(Seat(channel, f"1.{next(_NUMBERS)}", GATEWAY))
            info = json.dumps({"device": device, "activity": activity})
            await self.roster.join([JoinRequest(seats[-1], device, info)])
        return seats

    async def join(self, channel: str, **users: Any) -> None:
        """Let users join a channel, each with what the others are told of them."""
        for user, info in users.items():
            seat = Seat(Channel("1", channel), f"1.{user}", GATEWAY)
            await self.roster.join([JoinRequest(seat, user, json.dumps(info))])


@asynccontextmanager
async def served_presence(
    apps: Apps | None = None,
    *,
    control: MemoryControl | None = None,
    receipts: Iterable[ReceiptRule] = (),
    **settings: Any,
) -> AsyncIterator[ServedPresence]:
    """Serve presence, for the apps `APP` and `OFF` or others."""
    bus, marks, lifecycle = FaultyBus(), FaultyMarks(), MemoryLifecycle()
    roster, sightings = FaultyRoster(bus), FaultySightings()
    typists = faulty_typists(bus, roster)
    control = control or MemoryControl()
    await roster.renew(GATEWAY, ttl=3600.0)
    presence = make_presence(
        PresenceSettings(sweep_interval=0.05, **settings),
        roster=roster,
        leases=roster,
        typists=typists,
        apps=apps,
        lifecycle=lifecycle,
        sightings=sightings,
        bus=bus,
        marks=marks,
        receipts=receipts,
        control=control,
    )
    async with serving(Server([presence], LOOPBACK, LOOPBACK)) as bound:
        url = f"http://{bound.public[0]}"
        try:
            yield ServedPresence(
                url, roster, sightings, typists, bus, marks, lifecycle, control, presence
            )
        finally:
            roster.is_away = typists.is_away = sightings.is_away = bus.is_away = marks.is_away = (
                False
            )
