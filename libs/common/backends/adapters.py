"""
From URLs to adapters: the only place that knows all of them.

Nothing here connects: every adapter opens its connections when they are first needed, and again
whenever they were lost, so that a start never fails because a backend is away.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.apps.port import Apps, known_app
from libs.common.apps.postgres import PostgresApps
from libs.common.backends.metrics import BackendMetrics
from libs.common.backends.settings import BackendSettings
from libs.common.board.memory import MemoryBoard
from libs.common.board.port import Board
from libs.common.board.redis import RedisBoard
from libs.common.bus.memory import MemoryBus
from libs.common.bus.port import Bus
from libs.common.bus.redis import RedisBus
from libs.common.bus.settings import HistorySettings
from libs.common.config.address import Network, Url
from libs.common.control.memory import MemoryControl
from libs.common.control.port import Control
from libs.common.control.redis import RedisControl
from libs.common.dead_letters.memory import MemoryDeadLetters
from libs.common.dead_letters.port import DeadLetters
from libs.common.dead_letters.postgres import PostgresDeadLetters
from libs.common.errors import Unavailable
from libs.common.eventlog.kafka.log import KafkaEventLog
from libs.common.eventlog.kafka.settings import KafkaSettings
from libs.common.eventlog.memory import MemoryEventLog
from libs.common.eventlog.port import EventLog
from libs.common.leases.memory import MemoryLeases
from libs.common.leases.port import Leases
from libs.common.leases.redis import RedisLeases
from libs.common.lifecycle.facts import Kind
from libs.common.lifecycle.memory import MemoryLifecycle
from libs.common.lifecycle.port import Lifecycle, Wanted
from libs.common.lifecycle.redis import RedisLifecycle
from libs.common.marks.memory import MemoryMarks
from libs.common.marks.port import Marks
from libs.common.marks.postgres import PostgresMarks
from libs.common.memberships.memory import MemoryMemberships
from libs.common.memberships.port import Memberships
from libs.common.memberships.postgres import PostgresMemberships
from libs.common.memberships.postgres_query import QueriedMemberships
from libs.common.postgres.connection import PostgresConnection
from libs.common.postgres.settings import PostgresSettings
from libs.common.rates.memory import MemoryRates
from libs.common.rates.port import Rates
from libs.common.rates.redis import RedisRates
from libs.common.redis.address import place_of
from libs.common.redis.connection import RedisConnection
from libs.common.redis.keys import Keys
from libs.common.redis.pubsub.ways import Pubsub
from libs.common.roster.memory import MemoryRoster
from libs.common.roster.port import Roster
from libs.common.roster.redis import RedisRoster
from libs.common.sightings.memory import MemorySightings
from libs.common.sightings.port import Sightings
from libs.common.sightings.postgres import PostgresSightings
from libs.common.tally.memory import MemoryTally
from libs.common.tally.port import Tally
from libs.common.tally.redis import RedisTally
from libs.common.typists.memory import MemoryTypists
from libs.common.typists.port import Typists
from libs.common.typists.redis import RedisTypists

_Shared = tuple[Bus, Leases, Roster, Tally, Typists, Lifecycle]


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What adapters are made from.

    Attributes:
        urls: Where the backends are.
        history: How much of each channel is remembered.
        kafka: How Kafka is used.
        postgres: How PostgreSQL is used.
        apps: The apps of the file.
        recorded: Kinds of facts that are recorded for every app.
        allow: Networks that webhooks may call although they are not public.
        reserved: Topics that are no app's, each with the setting that names it.
        dead_letters: How many webhooks that could not be delivered are kept.
        dead_letters_max_age: Seconds for which they are.
        max_readers: Users of one channel whose marks are kept.
        membership_query: SQL that reads memberships in tables of the operator's; empty: they are in
            ours.
    """

    urls: BackendSettings
    history: HistorySettings
    kafka: KafkaSettings
    postgres: PostgresSettings
    apps: Sequence[App]
    membership_query: str = ""
    recorded: frozenset[Kind] = frozenset()
    allow: Sequence[Network] = ()
    reserved: Mapping[str, str] = field(default_factory=dict)
    dead_letters: int = 10_000
    dead_letters_max_age: float = 604_800.0
    max_readers: int = 10_000


@dataclass(frozen=True, slots=True)
class Backends:
    """One adapter for each port; `events` is None where the deployment has no log of them."""

    apps: Apps
    bus: Bus
    leases: Leases
    roster: Roster
    tally: Tally
    typists: Typists
    lifecycle: Lifecycle
    rates: Rates
    control: Control
    events: EventLog | None
    memberships: Memberships
    dead_letters: DeadLetters
    sightings: Sightings
    marks: Marks
    wanted: Wanted  # Which facts are recorded.
    metrics: BackendMetrics
    board: Board


@asynccontextmanager
async def opened(plan: Plan) -> AsyncIterator[Backends]:
    """
    Make the adapters, and close them in the reverse order.

    Raises:
        Misconfigured: A URL cannot work.
    """
    metrics = BackendMetrics()
    async with AsyncExitStack() as stack:
        apps = await stack.enter_async_context(opened_apps(plan, metrics))
        wanted = _wanted(plan, apps)
        shared = await _shared(plan, stack, wanted, metrics=metrics)
        rates = await _rates(plan, stack, metrics=metrics)
        control, board = await _control(plan, stack, metrics=metrics)
        events = await _events(plan, stack, metrics=metrics)
        memberships = await stack.enter_async_context(opened_memberships(plan, metrics))
        letters = await stack.enter_async_context(opened_dead_letters(plan, metrics))
        sightings = await stack.enter_async_context(opened_sightings(plan, metrics))
        marks = await stack.enter_async_context(opened_marks(plan, metrics))
        kept = memberships, letters, sightings, marks
        yield Backends(apps, *shared, rates, control, events, *kept, wanted, metrics, board)


@asynccontextmanager
async def opened_memberships(
    plan: Plan, metrics: BackendMetrics | None = None
) -> AsyncIterator[Memberships]:
    """Make the adapter of one port alone, and close it; raises as `opened`."""
    url = plan.urls.memberships
    if _is_memory(url):
        yield MemoryMemberships()
        return
    async with _postgres(plan, url, "memberships", metrics=metrics) as connection:
        if plan.membership_query:
            yield QueriedMemberships(connection, plan.membership_query)
        else:
            yield PostgresMemberships(connection)


@asynccontextmanager
async def opened_dead_letters(
    plan: Plan, metrics: BackendMetrics | None = None
) -> AsyncIterator[DeadLetters]:
    """Make the adapter of one port alone, and close it; raises as `opened`."""
    url, bounds = plan.urls.sightings, (plan.dead_letters, plan.dead_letters_max_age)
    if _is_memory(url):
        yield MemoryDeadLetters(*bounds)
        return
    async with _postgres(plan, url, "sightings", metrics=metrics) as connection:
        yield PostgresDeadLetters(connection, *bounds)


@asynccontextmanager
async def opened_board(plan: Plan) -> AsyncIterator[Board]:
    """Make the adapter of one port alone, and close it; raises as `opened`."""
    if _is_memory(plan.urls.control):
        yield MemoryBoard()
        return
    async with RedisConnection(plan.urls.control, "control") as connection:
        yield RedisBoard(connection, _keys(plan))


@asynccontextmanager
async def opened_control(plan: Plan) -> AsyncIterator[Control]:
    """Make the adapter of one port alone, and close it; raises as `opened`."""
    if _is_memory(plan.urls.control):
        yield MemoryControl()
        return
    async with RedisConnection(plan.urls.control, "control") as connection:
        yield RedisControl(connection, _keys(plan))


@asynccontextmanager
async def opened_events(plan: Plan) -> AsyncIterator[EventLog]:
    """Make the adapter of one port alone, of a deployment that has a log; raises as `opened`."""
    if _is_memory(plan.urls.events):
        yield MemoryEventLog()
        return
    async with KafkaEventLog(plan.urls.events, plan.kafka) as log:
        yield log


@asynccontextmanager
async def opened_apps(plan: Plan, metrics: BackendMetrics | None = None) -> AsyncIterator[Apps]:
    """Make the adapter of one port alone, and close it; raises as `opened`."""
    url = plan.urls.apps
    apps: Apps = MemoryApps(plan.apps)
    if not _is_memory(url):
        apps = PostgresApps(url, plan.postgres, allow=plan.allow, reserved=plan.reserved)
    if metrics and isinstance(apps, PostgresApps):
        metrics.watch_postgres(apps.connection)
    async with apps.opened():
        yield apps


def _wanted(plan: Plan, apps: Apps) -> Wanted:
    """Tell what is worth recording: what is recorded for every app, and what its webhooks want."""

    def wanted(app_id: str, kind: Kind, /) -> bool:
        is_count = kind == "subscription_count"
        if kind in plan.recorded and not is_count:
            return True
        try:
            app = known_app(apps, app_id)
        except Unavailable:  # Then nobody of it is here yet.
            return False
        if app is None or (is_count and not app.subscription_counts):
            return False  # Numbers that no subscriber is told are nobody's either.
        return kind in plan.recorded or app.wants(kind)

    return wanted


@asynccontextmanager
async def opened_sightings(
    plan: Plan, metrics: BackendMetrics | None = None
) -> AsyncIterator[Sightings]:
    """Make the adapter of one port alone, and close it; raises as `opened`."""
    if _is_memory(plan.urls.sightings):
        yield MemorySightings()
        return
    url = plan.urls.sightings
    async with _postgres(plan, url, "sightings", metrics=metrics) as connection:
        yield PostgresSightings(connection)


@asynccontextmanager
async def opened_marks(plan: Plan, metrics: BackendMetrics | None = None) -> AsyncIterator[Marks]:
    """Make the adapter of one port alone, and close it; raises as `opened`."""
    if _is_memory(plan.urls.sightings):
        yield MemoryMarks(plan.max_readers)
        return
    url = plan.urls.sightings
    async with _postgres(plan, url, "marks", metrics=metrics) as connection:
        yield PostgresMarks(connection, plan.max_readers)


def _is_memory(url: Url) -> bool:
    return url.scheme == "memory"


def _keys(plan: Plan) -> Keys:
    return Keys(plan.urls.prefix, plan.urls.partitions)


def _postgres(
    plan: Plan, url: Url, port: str, *, metrics: BackendMetrics | None
) -> PostgresConnection:
    connection = PostgresConnection(url, port, plan.postgres)
    if metrics:
        metrics.watch_postgres(connection)
    return connection


async def _redis(
    url: Url, port: str, stack: AsyncExitStack, *, metrics: BackendMetrics
) -> RedisConnection:
    connection = RedisConnection(url, port)
    metrics.watch_redis(connection, place_of(url))
    return await stack.enter_async_context(connection)


async def _shared(
    plan: Plan, stack: AsyncExitStack, wanted: Wanted, *, metrics: BackendMetrics
) -> _Shared:
    """Make the bus, what announces on it, and the leases beneath: all are of one kind."""
    if _is_memory(plan.urls.bus):
        return _in_memory(plan, wanted, metrics=metrics)
    keys = _keys(plan)
    bus_connection = await _redis(plan.urls.bus, "bus", stack, metrics=metrics)
    pubsub = Pubsub(plan.urls.pubsub)
    bus = metrics.bus = RedisBus(bus_connection, keys, plan.history, pubsub=pubsub)
    connection = await _redis(plan.urls.roster, "roster", stack, metrics=metrics)
    roster = RedisRoster(connection, keys, wanted, pubsub=pubsub)
    tally = RedisTally(connection, keys, wanted, pubsub=pubsub)
    typists = RedisTypists(connection, keys, pubsub=pubsub)
    leases = RedisLeases(connection, keys, holdings=[roster, tally], terms=[roster, typists])
    return bus, leases, roster, tally, typists, RedisLifecycle(connection, keys)


def _in_memory(plan: Plan, wanted: Wanted, *, metrics: BackendMetrics) -> _Shared:
    bus, leases, lifecycle = MemoryBus(plan.history), MemoryLeases(), MemoryLifecycle(wanted)
    metrics.bus = bus
    roster = MemoryRoster(bus.announce, leases, decided=lifecycle.decided)
    tally = MemoryTally(bus.announce, leases, decided=lifecycle.decided)
    typists = MemoryTypists(bus.announce, leases, roster.size)
    return bus, leases, roster, tally, typists, lifecycle


async def _rates(plan: Plan, stack: AsyncExitStack, *, metrics: BackendMetrics) -> Rates:
    if _is_memory(plan.urls.control):
        return MemoryRates()
    connection = await _redis(plan.urls.control, "rates", stack, metrics=metrics)
    return RedisRates(connection, _keys(plan))


async def _control(
    plan: Plan, stack: AsyncExitStack, *, metrics: BackendMetrics
) -> tuple[Control, Board]:
    """Make control, and the board beside it: whoever is without the one is without the other."""
    if _is_memory(plan.urls.control):
        return MemoryControl(), MemoryBoard()
    connection = await _redis(plan.urls.control, "control", stack, metrics=metrics)
    return RedisControl(connection, _keys(plan)), RedisBoard(connection, _keys(plan))


async def _events(plan: Plan, stack: AsyncExitStack, *, metrics: BackendMetrics) -> EventLog | None:
    if not plan.urls.has_events:
        return None
    if _is_memory(plan.urls.events):
        return MemoryEventLog()
    metrics.events = KafkaEventLog(plan.urls.events, plan.kafka)
    return await stack.enter_async_context(metrics.events)
