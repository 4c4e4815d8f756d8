"""
From URLs to adapters: the only place that knows all of them.

Nothing here connects: every adapter opens its connections when they are first needed, and again whenever they
were lost, so that a start never fails because a backend is away.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from libs.common.address import Url
from libs.common.apps import App, Apps, MemoryApps
from libs.common.apps_postgres import PostgresApps
from libs.common.bus import Bus, MemoryBus, Window
from libs.common.bus_redis import RedisBus
from libs.common.connection_postgres import PostgresConnection
from libs.common.connection_redis import RedisConnection
from libs.common.control import Control, MemoryControl
from libs.common.control_redis import RedisControl
from libs.common.eventlog import EventLog, MemoryEventLog
from libs.common.eventlog_kafka import KafkaEventLog
from libs.common.kafka_settings import KafkaSettings
from libs.common.memberships import Memberships, MemoryMemberships
from libs.common.memberships_postgres import PostgresMemberships
from libs.common.memberships_query_postgres import QueriedMemberships
from libs.common.partitions import Keys
from libs.common.rates import MemoryRates, Rates
from libs.common.rates_redis import RedisRates
from libs.common.roster import MemoryRoster, Roster
from libs.common.roster_redis import RedisRoster
from libs.common.settings import BackendSettings, HistorySettings, PostgresSettings
from libs.common.tally import MemoryTally, Tally
from libs.common.tally_redis import RedisTally


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What adapters are made from.

    Attributes:
        urls: Where the backends are.
        history: How much of each channel is remembered.
        kafka: How Kafka is used.
        postgres: How PostgreSQL is used.
        apps: Those of the file.
        membership_query: SQL that reads memberships in tables of the operator's; empty: they are in ours.
    """

    urls: BackendSettings
    history: HistorySettings
    kafka: KafkaSettings
    postgres: PostgresSettings
    apps: Sequence[App]
    membership_query: str = ""


@dataclass(frozen=True, slots=True)
class Backends:
    """One adapter for each port."""

    apps: Apps
    bus: Bus
    roster: Roster
    tally: Tally
    rates: Rates
    control: Control
    events: EventLog
    memberships: Memberships


@asynccontextmanager
async def opened(plan: Plan) -> AsyncIterator[Backends]:
    """
    Make the adapters, and close them in the reverse order.

    Raises:
        Misconfigured: A URL cannot work.
    """
    async with AsyncExitStack() as stack:
        bus, roster, tally = await _bus_and_roster(plan, stack)
        rates = await _rates(plan, stack)
        control = await _control(plan, stack)
        events = await _events(plan, stack)
        memberships = await stack.enter_async_context(opened_memberships(plan))
        apps = _apps(plan)
        await stack.enter_async_context(apps.opened())
        yield Backends(apps, bus, roster, tally, rates, control, events, memberships)


@asynccontextmanager
async def opened_memberships(plan: Plan) -> AsyncIterator[Memberships]:
    """Make the adapter of one port alone, and close it; raises as `opened`."""
    url = plan.urls.memberships
    if _is_memory(url):
        yield MemoryMemberships()
        return
    async with PostgresConnection(url, "memberships", plan.postgres) as connection:
        if plan.membership_query:
            yield QueriedMemberships(connection, plan.membership_query)
        else:
            yield PostgresMemberships(connection)


def _is_memory(url: Url) -> bool:
    return url.scheme == "memory"


def _keys(plan: Plan) -> Keys:
    return Keys(plan.urls.prefix, plan.urls.partitions)


async def _redis(url: Url, port: str, stack: AsyncExitStack) -> RedisConnection:
    return await stack.enter_async_context(RedisConnection(url.reveal(), port))


async def _bus_and_roster(plan: Plan, stack: AsyncExitStack) -> tuple[Bus, Roster, Tally]:
    """Roster and tally announce on the bus: all are of one kind, and on one server."""
    history = plan.history
    window = Window(history.max_age, history.max_entries, history.cache_ttl)
    if _is_memory(plan.urls.bus):
        memory = MemoryBus(window)
        roster = MemoryRoster(memory.announce)
        return memory, roster, MemoryTally(memory.announce, roster)
    bus = RedisBus(await _redis(plan.urls.bus, "bus", stack), _keys(plan), window)
    connection = await _redis(plan.urls.roster, "roster", stack)
    return bus, RedisRoster(connection, _keys(plan)), RedisTally(connection, _keys(plan))


async def _rates(plan: Plan, stack: AsyncExitStack) -> Rates:
    if _is_memory(plan.urls.control):
        return MemoryRates()
    return RedisRates(await _redis(plan.urls.control, "rates", stack), _keys(plan))


async def _control(plan: Plan, stack: AsyncExitStack) -> Control:
    if _is_memory(plan.urls.control):
        return MemoryControl()
    return RedisControl(await _redis(plan.urls.control, "control", stack), _keys(plan))


async def _events(plan: Plan, stack: AsyncExitStack) -> EventLog:
    if _is_memory(plan.urls.events):
        return MemoryEventLog()
    return await stack.enter_async_context(KafkaEventLog(plan.urls.events.reveal(), plan.kafka))


def _apps(plan: Plan) -> Apps:
    if _is_memory(plan.urls.apps):
        return MemoryApps(plan.apps)
    return PostgresApps(plan.urls.apps, plan.postgres)
