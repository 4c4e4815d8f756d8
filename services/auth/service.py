"""
The auth service: who may join what.

Endpoints (`broadcasting`, `tokens`) around what it knows of users (`identity`, `memberships`).  It
holds no connections, and of state only what it has heard of revocations and was told of
memberships; a gateway checks what it has issued without asking.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from aiohttp import web

from libs.common.apps.port import Apps
from libs.common.control.port import Control
from libs.common.egress.settings import EgressSettings
from libs.common.eventlog.port import EventLog
from libs.common.memberships.port import Memberships
from libs.common.policies.guards import Guards
from libs.common.policies.policies import Policies
from libs.common.rates.port import Rates
from libs.common.rates.throttle import Throttle
from libs.common.telemetry.metrics.families import Metric
from libs.common.tokens.channel_tokens import LEEWAY
from libs.common.tokens.key_ring import KeyRing
from libs.common.tokens.revocations import Revocations
from libs.common.web.authentication import AppAuthenticator
from libs.common.web.door.ways import NO_WAYS, Ways
from libs.common.web.health import Dependency
from services.auth import metrics
from services.auth.back_ends import BackEnds
from services.auth.broadcasting.api import BroadcastingApi
from services.auth.broadcasting.decisions import Decisions
from services.auth.counters import AuthCounters
from services.auth.identity.authenticator import UserAuthenticator
from services.auth.memberships.api import MembershipsApi
from services.auth.memberships.expulsion import Terms
from services.auth.memberships.removals import Removals
from services.auth.memberships.topic import MembershipTopic
from services.auth.settings import AuthSettings, MembershipSettings
from services.auth.tokens.api import TokensApi
from services.auth.tokens.revocations import RevocationList

# Laravel's names and pusher-js's, for the same two questions.
CHANNEL_PATHS = ("/broadcasting/auth", "/pusher/auth")
USER_PATHS = ("/broadcasting/user-auth", "/pusher/user-auth")

USUAL_EGRESS = EgressSettings()


class AuthRules(Protocol):
    """What auth takes of the rules that may change while it runs."""

    @property
    def policies(self) -> Policies:
        """Return the policies of all channels."""

    @property
    def guards(self) -> Guards:
        """Return the policies of public channels."""


class Auth:
    """
    The service.  See `libs.common.web.server.Service`.

    Args:
        apps: The tenants; opened by the caller.
        settings: Issuers and identity servers that are believed, and bounds.
        policies: Who may join what.
        guards: The policies of public channels, by which gateways judge.
        rates: Counts what apps do.
        control: Announces revocations, and which memberships ended.
        memberships: Who belongs to what.
        events: Gives the topic that tells of memberships; None: there is no such topic.
        ring: The keys of channel tokens.
        egress: Where identity servers may be, beyond the usual.
        clock: UTC epoch seconds.
    """

    name = "auth"

    def __init__(
        self,
        apps: Apps,
        settings: AuthSettings,
        *,
        policies: Policies,
        guards: Guards,
        rates: Rates,
        control: Control,
        memberships: Memberships,
        events: EventLog | None,
        ring: KeyRing,
        egress: EgressSettings = USUAL_EGRESS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._apps = apps
        self._control = control
        self._rates = rates
        self._kept = memberships
        self._ask_memberships = policies.ask_memberships
        self._prefixes = settings.prefixes
        self.counters = AuthCounters()
        self._authenticator = _authenticator(apps, settings, egress, clock=clock)
        self._topic = _topic(settings.memberships, events, memberships)
        self._revocations = RevocationList(control, Revocations(), clock=clock)
        removals = Removals(
            policies,
            memberships,
            control=control,
            terms=lambda: Terms(settings.memberships.cache, ring.max_ttl + LEEWAY),
            clock=clock,
        )
        self._decisions = Decisions(
            policies, memberships, settings=settings.memberships, removals=removals
        )
        self._api = self._broadcasting(settings, guards)
        back_ends = BackEnds(AppAuthenticator(apps, settings.read_timeout), Throttle(rates), clock)
        self._memberships = MembershipsApi(
            back_ends, memberships, heed=self._decisions.heed, control=control
        )
        self._tokens = TokensApi(back_ends, ring, revocations=self._revocations, clock=clock)

    def _broadcasting(self, settings: AuthSettings, guards: Guards) -> BroadcastingApi:
        return BroadcastingApi(
            self._apps,
            settings,
            authenticator=self._authenticator,
            decisions=self._decisions,
            guards=guards,
            rates=self._rates,
            counters=self.counters,
        )

    def adopt(self, rules: AuthRules, /) -> None:
        """See `Reloadable.adopt`."""
        self._decisions.replace(rules.policies)
        self._api.replace(rules.guards)

    def ways(self) -> Ways:
        """See `libs.common.web.server.Service.ways`."""
        return NO_WAYS

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return its endpoints: those of clients under each prefix, those of back ends once."""
        yield from self._tokens.routes()
        yield from self._memberships.routes()
        for prefix in self._prefixes:
            for path in CHANNEL_PATHS:
                yield web.post(prefix + path, self._api.authorise_channel)
                yield web.get(prefix + path, self._api.authorise_channel, allow_head=False)
                yield web.options(prefix + path, self._api.allow_origin)
            for path in USER_PATHS:
                yield web.post(prefix + path, self._api.authenticate_user)
                yield web.get(prefix + path, self._api.authenticate_user, allow_head=False)
                yield web.options(prefix + path, self._api.allow_origin)

    async def run(self) -> None:
        """Hear what is revoked and who belongs to what, and keep keys at hand, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._revocations.run())
            tasks.create_task(self._authenticator.run())
            tasks.create_task(self._decisions.run())
            if self._topic is not None:
                tasks.create_task(self._topic.run())

    def metrics(self) -> Iterable[Metric]:
        """See `libs.common.telemetry.metrics.registry.Measured.metrics`."""
        return metrics.read(self.counters, self._authenticator.jwks, self._decisions.lookups)

    def figures(self) -> Mapping[str, int]:
        """See `services.process_state.Figured.figures`."""
        shares = self._topic.shares() if self._topic else {}
        return {"partitions": len(shares), "lag": sum(shares.values())}

    async def drain(self) -> None:
        """Return at once: a request is answered as soon as it is read."""

    def dependencies(self) -> Iterable[Dependency]:
        """See `libs.common.web.server.Service.dependencies`."""
        yield Dependency("apps", self._apps.check)
        yield Dependency("control", self._control.check)
        yield Dependency("memberships", self._kept.check, is_needed=self._ask_memberships)
        yield Dependency("rates", self._rates.check, is_needed=False)
        if self._topic is not None:
            yield Dependency("topic of memberships", self._topic.check, is_needed=False)
        yield from self._authenticator.dependencies()


def _authenticator(
    apps: Apps, settings: AuthSettings, egress: EgressSettings, *, clock: Callable[[], float]
) -> UserAuthenticator:
    return UserAuthenticator(apps, settings, clock=clock, timer=time.monotonic, allow=egress.allow)


def _topic(
    settings: MembershipSettings, events: EventLog | None, memberships: Memberships
) -> MembershipTopic | None:
    if not settings.topic or events is None:
        return None
    return MembershipTopic(
        settings.topic, group=settings.group, events=events, memberships=memberships
    )
