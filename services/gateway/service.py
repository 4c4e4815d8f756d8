"""
The gateway: holds clients' sockets, speaks the protocol of each, and fans out what the bus brings.

This is its shell: it accepts connections, keeps the loops running, and drains.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress

from aiohttp import web

from libs.common.apps.port import Apps
from libs.common.bus.port import Bus
from libs.common.channels import Channel
from libs.common.control.port import Control
from libs.common.errors import Denied, Unavailable
from libs.common.leases.port import Leases
from libs.common.lifecycle.port import Lifecycle, Wanted
from libs.common.roster.port import Roster
from libs.common.tally.port import Tally
from libs.common.telemetry.metrics.families import Metric
from libs.common.telemetry.tracing.tracer import UNTRACED, Tracer
from libs.common.typists.port import Typists
from libs.common.web.door.ways import Ways
from libs.common.web.health import Dependency
from libs.common.web.paths import PREFIX
from services.gateway.access.verifier import Verifier
from services.gateway.channels.admission import Admission
from services.gateway.channels.feed import Feed
from services.gateway.channels.hub import Hub
from services.gateway.channels.occupancy import Occupancy
from services.gateway.channels.reseating import Reseating
from services.gateway.channels.whispers import Whispers
from services.gateway.connections.acceptor import Acceptor
from services.gateway.connections.commands import CommandHandler
from services.gateway.connections.connection import Connection, Surroundings
from services.gateway.connections.eligibility import Eligibility
from services.gateway.connections.registry import Connections
from services.gateway.connections.sign_ins import SignIns
from services.gateway.connections.ticker import Ticker
from services.gateway.connections.wrong_paths import WrongPaths
from services.gateway.counters import Counters
from services.gateway.frame_log import FrameLog
from services.gateway.intake.intake import Intake
from services.gateway.intake.limits import limits_of
from services.gateway.lease import Lease
from services.gateway.memory.holdings import UNBOUNDED, Holdings
from services.gateway.memory.shedding import Shedding
from services.gateway.metrics import GatewayMetrics
from services.gateway.presence.mark_reports import MarkReports
from services.gateway.presence.online_users import OnlineUsers
from services.gateway.presence.told_facts import ToldFacts
from services.gateway.presence.typing_lists import TypingLists
from services.gateway.presence.typing_reports import TypingReports
from services.gateway.presence.watchlists import Watchlists
from services.gateway.presence.words import Words
from services.gateway.protocol.effects import Leave, Relay
from services.gateway.quotas.budgets import subscribe_limits
from services.gateway.quotas.limiter import ConnectionLimiter
from services.gateway.session.rules import GatewayRules, SessionRules
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from services.gateway.state import GatewayState
from services.gateway.timers import TIMERS, Timers

GOING = (4200, "this gateway is going, connect again")


class Gateway:
    """
    The socket tier.

    Args:
        settings: Limits and timers that operators set.
        apps: The apps whose clients may connect.
        bus: Brings events.
        leases: Say which gateways live, this one among them.
        roster: Knows the members of presence channels.
        tally: Counts the connections and subscriptions of all gateways.
        control: Brings commands.
        verifier: Knows which channel tokens are good, and the policies of public channels.
        lifecycle: Keeps facts that no script decides.
        wanted: Which of them are worth recording.
        typists: Know who types, on whatever gateway.
        session_rules: What holds for all clients; what is in them is replaced by `adopt`.
        cache_ttl: Seconds for which the last event of a cache channel is sent to newcomers.
        message_timeout: Seconds that a client's message may take from its first byte to its last.
        holdings: Counts what is kept in memory for clients.
        drain_spread: Seconds over which connections are sent away when the gateway drains.
        timers: Durations that no operator sets.
        tracer: Makes spans of broadcasts that are watched.
    """

    name = "gateway"

    def __init__(
        self,
        settings: GatewaySettings,
        apps: Apps,
        *,
        bus: Bus,
        leases: Leases,
        roster: Roster,
        tally: Tally,
        control: Control,
        verifier: Verifier,
        lifecycle: Lifecycle,
        wanted: Wanted,
        typists: Typists,
        session_rules: SessionRules,
        cache_ttl: float = 1800.0,
        message_timeout: float = 30.0,
        holdings: Holdings = UNBOUNDED,
        drain_spread: float = 10.0,
        timers: Timers = TIMERS,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._settings = settings
        self._apps = apps
        self._bus = bus
        self._leases = leases
        self._control = control
        self._verifier = verifier
        self._session_rules = session_rules
        self._drain_spread = drain_spread
        self._timers = timers
        self._tracer = tracer
        self._unseated = asyncio.Event()
        self._connections = Connections()
        self._hub: Hub[Connection] = Hub(cache_ttl)
        self.counters = Counters()
        self.frames = FrameLog()
        limits = limits_of(settings, message_timeout=message_timeout, patience=timers.patience)
        self._intake = Intake(limits, self.counters)
        self._holdings = holdings
        self._facts = ToldFacts(lifecycle, wanted, self.counters)
        self._commands = CommandHandler(control, verifier, informed=self._informed)
        self._count(tally, leases)
        self._follow(bus, roster, typists, lifecycle)
        self._accept()

    def _count(self, tally: Tally, leases: Leases) -> None:
        """Make what knows how many clients there are, here and elsewhere."""
        self._lease = Lease(
            leases,
            ttl=self._settings.lease_ttl,
            interval=self._settings.lease_renew,
            unseated=self._unseated,
            loop_timeout=self._settings.loop_timeout,
            timers=self._timers,
        )
        self._limiter = ConnectionLimiter(
            tally, self._lease, renewal=self._settings.lease_renew, timers=self._timers
        )
        self._sign_ins = SignIns(self._commands, self._limiter)
        self._occupancy = Occupancy(
            tally, self._hub, lease=self._lease, announced=self._tells_counts, timers=self._timers
        )

    def _follow(self, bus: Bus, roster: Roster, typists: Typists, lifecycle: Lifecycle) -> None:
        """Make what brings channels' events and members to who is subscribed."""
        self._whispers = Whispers(bus, self.counters)
        self._feed = Feed(
            bus,
            roster,
            self._hub,
            settings=self._settings,
            counters=self.counters,
            frames=self.frames,
            unseated=self._unseated,
            tells_counts=self._tells_counts,
            user_changed=self._user_changed,
            followed=self._followed,
            timers=self._timers,
            tracer=self._tracer,
        )
        self._admission = Admission(
            self._feed,
            roster,
            self._hub,
            lease=self._lease,
            occupancy=self._occupancy,
            limit=self._settings.max_waiting,
            limits=subscribe_limits(self._settings),
            missed=self._facts.cache_miss,
            timers=self._timers,
        )
        self._know_users(roster)
        self._take_words(typists, lifecycle)
        self._reseating = Reseating(
            self._unseated,
            self._connections,
            admission=self._admission,
            occupancy=self._occupancy,
            limiter=self._limiter,
            others=(self._online.restate, self._watchlists.restate, self._words.restate),
        )

    def _know_users(self, roster: Roster) -> None:
        """Make what says that users are online, and tells who watches them."""
        self._online = OnlineUsers(
            roster, lease=self._lease, limit=self._settings.max_waiting, timers=self._timers
        )
        self._watchlists = Watchlists(
            self._feed, roster, self._hub, most=self._settings.max_watched, timers=self._timers
        )

    def _take_words(self, typists: Typists, lifecycle: Lifecycle) -> None:
        """Make what says that users type and have read, and knows who types."""
        ttl, timers = self._session_rules.typing_ttl, self._timers
        self._words = Words(
            TypingReports(
                typists, source=self._lease.name, ttl=ttl, counters=self.counters, timers=timers
            ),
            TypingLists(typists, self._feed, self._hub, is_on=ttl > 0, timers=timers),
            MarkReports(lifecycle, self.counters, timers=timers),
        )

    def _user_changed(self, channel: Channel) -> None:
        """Tell who watches the user whose channel it is."""
        self._watchlists.changed(channel)

    def _followed(self, channels: Collection[Channel]) -> None:
        """Find out who types in channels that are followed from now on."""
        self._words.followed(channels)

    def _accept(self) -> None:
        """Make what lets clients in, and give them all that they work with."""
        longest, timers = self._settings.activity_timeout, self._timers
        self._ticker = Ticker(self._apps, self._verifier, longest=longest, timers=timers)
        self._eligibility = Eligibility(
            self._apps,
            self._verifier,
            informed=self._commands.heard,
            limiter=self._limiter,
            here=self._connections,
            most=self._settings.max_connections,
            timers=self._timers,
        )
        surroundings = Surroundings(
            app=self._apps.by_id,
            ask=self._admission.ask,
            withdraw=self._admission.withdraw,
            leave=self._leave,
            relay=self._relay,
            told=self._words.told,
            signed_in=self._sign_ins.signed_in,
            known_as=self._commands.known_as,
            shows=self._commands.shows,
            belongs=self._online.belongs,
            turned=self._online.turned,
            watch_users=self._watchlists.watch,
            watch=self._ticker.watch,
            counters=self.counters,
            frames=self.frames,
            intake=self._intake,
            max_unsent=self._settings.max_unsent,
        )
        parts = self._admission, self._commands, self._online, self._watchlists
        self._acceptor = Acceptor(
            self._settings,
            self._eligibility,
            verifier=self._verifier,
            connections=self._connections,
            surroundings=surroundings,
            forget=(self._ticker.remove, *(part.gone for part in parts)),
            counters=self.counters,
            rules=self._session_rules,
            holdings=self._holdings,
            timers=self._timers,
        )

    def _relay(self, connection: Connection, relay: Relay) -> None:
        """Pass a client event on to other clients, and to back ends that want to know."""
        self._whispers.relay(connection, relay)
        self._facts.client_event(connection, relay)

    def _leave(self, connection: Connection, leave: Leave) -> None:
        """Take a client off a channel, where it types no more."""
        self._words.left(connection, connection.channel(leave.channel))
        self._admission.leave(connection, leave)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Answer what should be a WebSocket, and is none in good order; see `ways`."""
        refuse = self._acceptor.refuse
        return [web.get(PREFIX + "app/{key}", refuse), WrongPaths(refuse)]

    def ways(self) -> Ways:
        """See `libs.common.web.server.Service.ways`."""
        return Ways(upgrader=self._acceptor, accept_rate=self._settings.accept_rate)

    async def run(self) -> None:
        """Keep the loops running until cancelled; whoever is still connected then is cut off."""
        async with self._acceptor.open(), asyncio.TaskGroup() as tasks:
            channels = self._feed, self._admission, self._occupancy, self._whispers, self._reseating
            users = self._online, self._watchlists, self._words, self._facts, self._commands
            shedding = Shedding(self._holdings, self._connections)
            clients = self._limiter, self._lease, self._ticker, shedding
            for part in (*channels, *users, *clients):
                tasks.create_task(part.run())

    def dependencies(self) -> Iterable[Dependency]:
        """See `libs.common.web.server.Service.dependencies`."""
        return [
            Dependency("bus", self._check_bus),
            Dependency("roster", self._leases.check),
            Dependency("control", self._control.check),
            Dependency("apps", self._apps.check),
        ]

    async def _check_bus(self) -> None:
        """Ask the bus, and see that this gateway hears what is published."""
        await self._bus.check()
        if not self._feed.is_listening:
            raise Unavailable("bus") from ConnectionError("it is not heard yet")

    def adopt(self, rules: GatewayRules, /) -> None:
        """
        See `services.reload.Reloadable.adopt`.

        All policies of public channels are replaced, and all selections; clients stay in the
        channels that they have joined.  The caller has replaced the keys of channel tokens before:
        what a token of a dropped key had opened ends now.
        """
        self._verifier.guards = rules.guards
        self._session_rules.adopt(rules)
        self._connections.tell(Session.judged)
        self._connections.tell(Session.informed)

    def _informed(self) -> None:
        """Let those go on who waited until it was known what is revoked."""
        self._connections.tell(Session.informed)

    def state(self) -> GatewayState:
        """Say what the gateway is doing now.  It looks at every connection: do not ask often."""
        return GatewayState(
            name=self._lease.name,
            is_accepting=not self._eligibility.is_closed,
            is_listening=self._feed.is_listening,
            is_informed=self._commands.heard.is_set(),
            is_unseated=self._unseated.is_set(),
            connections=len(self._connections),
            unsent=sum(connection.socket.unsent for connection in self._connections),
            channels=len(self._hub.rooms()),
            online=len(self._online),
            untold=self._online.waiting,
            watched=len(self._watchlists),
            typing=self._words.typing,
            marks=self._words.marks,
            waiting=self._admission.waiting,
            delayed=self._admission.delayed,
            newcomers=self._limiter.waiting,
            signing_in=len(self._sign_ins),
            unreported=self._limiter.unreported,
            counted=self._limiter.counted,
            unheard=len(self._intake),
        )

    def metrics(self) -> Iterable[Metric]:
        """See `libs.common.telemetry.metrics.registry.Measured.metrics`."""
        metrics = GatewayMetrics(self.counters, self._connections, self._hub)
        return metrics.read(self.state(), leases_lost=self._lease.lost)

    def figures(self) -> Mapping[str, int]:
        """See `services.process_state.Figured.figures`; it looks at no connection."""
        return {
            "connections": len(self._connections),
            "channels": len(self._hub.rooms()),
            "online": len(self._online),
            "waiting": self._admission.waiting + self._limiter.waiting,
            "broadcasts": self.counters.broadcasts,
            "deliveries": self.counters.deliveries,
        }

    def _tells_counts(self, app_id: str) -> bool:
        with suppress(Denied, Unavailable):
            return self._apps.by_id(app_id).subscription_counts
        return False

    async def drain(self) -> None:
        """
        Send all clients away, in random order and bit by bit, for the sake of other gateways.

        Members leave with grace: those who return in time never left, for the others.
        """
        self._eligibility.is_closed = True
        await self._connections.send_away(
            GOING, spread=self._drain_spread, slice_=self._timers.drain_slice
        )
        await self._connections.emptied()
        # Departures that cannot be told in time take effect when the lease is released.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timers.settling):
                await self._admission.settled()
                await self._online.settled()
                await self._words.settled()
                await self._occupancy.settled()
                await self._limiter.settled()
        await self._lease.release()
