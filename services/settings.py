"""
The whole file: the sections of all services, and what must hold between them.

Pure, but for the reading of the file.  What one section can check alone, its struct checks; here
stands what needs several.  docs/configuration.md is the operator's view.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.apps.origins import unnamed
from libs.common.apps.webhooks import refused_webhooks
from libs.common.backends.settings import BackendSettings
from libs.common.backends.urls import refused_urls
from libs.common.bus.settings import HistorySettings
from libs.common.config import loader
from libs.common.config.address import Url
from libs.common.config.environment import CONFIG, did_you_mean
from libs.common.config.masks import masked
from libs.common.config.secret import Secret
from libs.common.egress.settings import EgressSettings
from libs.common.errors import Misconfigured
from libs.common.eventlog.kafka.settings import KafkaSettings
from libs.common.policies.patterns import BadPattern, Pattern
from libs.common.policies.selections import ReceiptRule, TypingRule
from libs.common.policies.settings import ChannelPolicy
from libs.common.postgres.settings import PostgresSettings
from libs.common.telemetry.settings import LogSettings, TelemetrySettings
from libs.common.tokens.keys import jwk_of, public_key, thumbprint
from libs.common.tokens.settings import AppTokenKey, TokenKey, TokenSettings
from libs.common.web.settings import ServerSettings
from services.auth.settings import AuthSettings, refused_providers
from services.dispatcher.settings import DispatcherSettings, Route
from services.gateway.settings import GatewaySettings
from services.presence.settings import PresenceSettings
from services.topics import named_topics, refused_topics

SERVICES = ("gateway", "auth", "dispatcher", "presence")

DEVELOPMENT_SECRETS = frozenset(
    {
        Secret("app-secret"),
        Secret("fanfare-development-secret-0123456789"),
        Secret("nxzvbGF+f8FGhk/jOaZvgMle1tqxzF/VfUZLBLhhaH0="),
        Secret("oxIvbYM5DEcKUA3VCbIST514gud3Kzaj2i5X8JVraf4"),  # Of a token key the thumbprint.
    }
)

# What a service meets other processes at.  Apps on memory:// are those of the file, which all can
# read.
_MEETING_POINTS: Mapping[str, tuple[str, ...]] = {
    "gateway": ("bus", "roster", "control"),
    "auth": ("control",),
    "dispatcher": ("bus", "events", "roster", "control"),
    "presence": ("bus", "roster", "control"),
}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The file.

    Where only one app exists, `load` names it in policies, selections and routes that name none.

    Attributes:
        server: Where the process listens, and how it stops.
        log: What is logged, and how.
        telemetry: Where metrics are sent.
        backends: Where the backends are.
        kafka: How Kafka is reached and used.
        postgres: How PostgreSQL is used.
        egress: What requests of our own may reach.
        history: How much of each channel is remembered.
        apps: The tenants, if they are not in PostgreSQL.
        channels: Who may join what; the first policy that matches decides.
        typing: Where clients may say that they type, though their app has no client events.
        receipts: Where it is kept how far each user has read.
        routes: From domain events to channels; every route that matches applies.
        tokens: How channel tokens are issued and checked.
        gateway: The socket tier's limits and timers.
        auth: Who is believed.
        dispatcher: How domain events are read.
        presence: The timers of presence.
    """

    server: ServerSettings = ServerSettings()
    log: LogSettings = LogSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    backends: BackendSettings = BackendSettings()
    kafka: KafkaSettings = KafkaSettings()
    postgres: PostgresSettings = PostgresSettings()
    egress: EgressSettings = EgressSettings()
    history: HistorySettings = HistorySettings()
    apps: tuple[App, ...] = ()
    channels: tuple[ChannelPolicy, ...] = ()
    typing: tuple[TypingRule, ...] = ()
    receipts: tuple[ReceiptRule, ...] = ()
    routes: tuple[Route, ...] = ()
    tokens: TokenSettings = TokenSettings()
    gateway: GatewaySettings = GatewaySettings()
    auth: AuthSettings = AuthSettings()
    dispatcher: DispatcherSettings = DispatcherSettings()
    presence: PresenceSettings = PresenceSettings()


def load(*, path: Path | None, environ: Mapping[str, str], needs_apps: bool = True) -> Settings:
    """
    Read the settings of a process.

    Args:
        path: The file; None: the one that ``FANFARE_CONFIG`` names, or none.
        environ: The environment variables.
        needs_apps: Whether settings without apps are of no use.

    Raises:
        Misconfigured: They cannot work; the error names all that is wrong, a line each.
    """
    settings, named = loader.load(Settings, path=path, environ=environ), environ.get(CONFIG)
    _refuse(
        [
            *refused_urls(settings.backends),
            *_app_problems(settings, needs_apps=needs_apps, is_named=bool(path or named)),
            *_rule_problems(settings),
            *cookie_problems(settings.auth, settings.apps),
            *_selection_problems(settings),
            *_event_problems(settings),
            *refused_topics(topics_of(settings), settings.apps, settings.routes),
            *_membership_problems(settings),
            *_kid_problems(settings),
            *refused_webhooks(settings.apps, settings.egress.allow),
            *refused_providers(settings.auth, settings.egress.allow),
            *_timer_problems(settings),
            *_exposed_secrets(settings),
        ]
    )
    return _with_apps_named(settings)


def topics_of(settings: Settings) -> dict[str, str]:
    """See `named_topics`."""
    return named_topics(settings.dispatcher, settings.auth, settings.presence)


def check_services(settings: Settings, names: Collection[str]) -> None:
    """
    Check that the services of this process meet the others of their deployment.

    Args:
        settings: As loaded.
        names: Which services run in this process.

    Raises:
        Misconfigured: Some of them run elsewhere, and a backend is memory, which no other process
            sees.
    """
    _refuse(
        [
            f"there is no service {name!r}"
            + (did_you_mean(name, SERVICES) or f"; there are {_listed(SERVICES)}")
            for name in names
            if name not in SERVICES
        ]
    )
    if set(names) == set(SERVICES):
        return
    alone = [
        f"backends.{backend}"
        for backend in dict.fromkeys(
            backend for name in names for backend in _meeting_points(settings, name)
        )
        if _is_memory(getattr(settings.backends, backend))
    ]
    if alone:
        raise Misconfigured(
            f"{_listed(names)} cannot meet the other services on memory://, "
            f"which no other process sees: name real servers in {_listed(alone)}, "
            "or run all four services in one process" + _way_out(alone)
        )


def _way_out(alone: Collection[str]) -> str:
    if "backends.events" not in alone:
        return ""
    return '; backends.events may be "none", where the Pusher API is all that back ends need'


def _meeting_points(settings: Settings, name: str) -> Iterator[str]:
    yield from _MEETING_POINTS[name]
    if name == "presence" and settings.presence.lifecycle_topic:
        yield "events"
    if name != "auth":
        return
    if any(policy.member_of for policy in settings.channels):
        yield "memberships"
    if settings.auth.memberships.topic:
        yield "events"


def _app_problems(settings: Settings, *, needs_apps: bool, is_named: bool) -> Iterator[str]:
    if not _is_memory(settings.backends.apps):
        if settings.apps:
            yield "apps come from the file or from PostgreSQL: remove [[apps]] or backends.apps"
    elif not settings.apps and needs_apps:
        example = "try the example with --config deploy/dev.toml"
        yield (
            "there are no apps: add [[apps]] to the configuration, "
            f"name a PostgreSQL in backends.apps, or {example}"
            if is_named
            else "no configuration was named (--config, FANFARE_CONFIG), so there are no apps: "
            + example
        )
    try:
        MemoryApps(settings.apps)
    except Misconfigured as error:
        yield str(error)


def _rule_problems(settings: Settings) -> Iterator[str]:
    ids = {app.id for app in settings.apps}
    for place, named in _named_apps(settings):
        if named and ids and named not in ids:
            yield f"{place} names the app {named!r}, which does not exist"
        if not named and len(ids) != 1 and (ids or not _is_memory(settings.backends.apps)):
            yield (
                f"{place} must name its app: "
                "only where the file has a single app it may be left out"
            )
    for issuer in settings.auth.issuers:
        if issuer.app and ids and issuer.app not in ids:
            yield f'issuer "{issuer.issuer}" names the app {issuer.app!r}, which does not exist'
    names = [route.name for route in settings.routes]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f'two routes have the name "{name}"'


def cookie_problems(auth: AuthSettings, apps: Iterable[App]) -> Iterator[str]:
    """Refuse origins that are anybody's where cookies tell who is calling, in a sentence each."""
    for app in apps if auth.cookie else ():
        for entry in unnamed(app.allowed_origins):
            yield (
                f'app {app.id}: "{entry}" in allowed_origins cannot go with auth.cookie, which '
                "counts only from pages that are named there: name them; an empty list lets all "
                "pages in, without the cookie"
            )


def _selection_problems(settings: Settings) -> Iterator[str]:
    """Refuse what no reload could take, before a service is told of it."""
    for section, rules in (("typing", settings.typing), ("receipts", settings.receipts)):
        for rule in rules:
            try:
                Pattern(rule.pattern)
            except BadPattern as error:
                yield f'the {section} rule for "{rule.pattern}": {error}'


def _event_problems(settings: Settings) -> Iterator[str]:
    """Refuse what would wait for events that nothing reads."""
    if settings.backends.has_events:
        return
    why = "has no effect: backends.events is none, so no events are read"
    routes = [f'the route "{route.name}" {why}' for route in settings.routes]
    many = f"{len(routes)} routes have{why.removeprefix('has')}"
    yield from [many] if len(routes) > 1 else routes
    yield from (f"the topic of app {app.id} {why}" for app in settings.apps if app.topic)
    if settings.auth.memberships.topic:
        yield f"auth.memberships.topic {why}"
    if settings.presence.lifecycle_topic:
        yield f"presence.lifecycle_topic {why}"


def _membership_problems(settings: Settings) -> Iterator[str]:
    if not _is_memory(settings.backends.memberships):
        return
    if settings.auth.memberships.query:
        yield "auth.memberships.query reads a PostgreSQL: name it in backends.memberships"
    if settings.auth.memberships.topic and settings.backends.events.scheme == "kafka":
        # What was read and committed would be gone with the process.
        yield (
            "auth.memberships.topic needs a PostgreSQL in backends.memberships, "
            "to keep what it tells"
        )


def _kid_problems(settings: Settings) -> Iterator[str]:
    """A token names its key by ``kid`` alone."""
    kids = {key.kid for key in settings.tokens.keys}
    for app in settings.apps:
        for key in app.token_keys:
            if key.kid in kids:
                yield f'app {app.id} and tokens both have a token key with the kid "{key.kid}"'


def _timer_problems(settings: Settings) -> Iterator[str]:
    """After an outage of the roster every lease has lapsed: gateways must come before sweepers."""
    renew, grace = settings.gateway.lease_renew, settings.presence.lease_grace
    if grace <= renew:
        yield (
            f"presence.lease_grace ({grace:g}) must be longer than "
            f"gateway.lease_renew ({renew:g}), "
            "lest an outage of the roster ends the leases of gateways that live"
        )


def _named_apps(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield each rule in words, and the app that it names."""
    yield from ((f'the policy for "{rule.pattern}"', rule.app) for rule in settings.channels)
    yield from ((f'the typing rule for "{rule.pattern}"', rule.app) for rule in settings.typing)
    yield from ((f'the receipts rule for "{rule.pattern}"', rule.app) for rule in settings.receipts)
    yield from ((f'the route "{rule.name}"', rule.app) for rule in settings.routes)
    yield from (
        (f"auth.introspection with {masked(rule.url)}", rule.app)
        for rule in settings.auth.introspection
    )


def _exposed_secrets(settings: Settings) -> Iterator[str]:
    server = settings.server
    exposed = [
        f"server.{name} ({address})"
        for name, addresses in (
            ("listen", server.listen),
            ("internal_listen", server.internal_listen),
        )
        for address in addresses
        if not address.is_loopback
    ]
    if not exposed:
        return
    for place, secret in _secrets(settings):
        if secret in DEVELOPMENT_SECRETS:
            yield (
                f"{place} is the development secret, which everybody knows: with it "
                f"{_listed(exposed)} must be a loopback address such as 127.0.0.1"
            )


def _secrets(settings: Settings) -> Iterator[tuple[str, Secret]]:
    """Yield every secret, with its place in words; a key has many spellings, and one thumbprint."""
    for app in settings.apps:
        yield from ((f"a secret of app {app.id}", secret) for secret in app.secrets)
        yield f"the encryption_master_key of app {app.id}", app.encryption_master_key
    for issuer in settings.auth.issuers:
        yield f'the secret of issuer "{issuer.issuer}"', issuer.secret
    for rule in settings.auth.introspection:
        yield f"the client_secret of auth.introspection with {masked(rule.url)}", rule.client_secret
    keys: list[TokenKey | AppTokenKey] = [*settings.tokens.keys]
    for key in keys + [key for app in settings.apps for key in app.token_keys]:
        jwk = jwk_of(public_key(key.public_key, key.algorithm), key.algorithm)
        yield f'the token key "{key.kid}"', Secret(thumbprint(jwk))


def _with_apps_named(settings: Settings) -> Settings:
    if len(settings.apps) != 1:
        return settings
    (only,) = settings.apps
    named = msgspec.structs.replace
    return named(
        settings,
        channels=tuple(named(rule, app=rule.app or only.id) for rule in settings.channels),
        typing=tuple(named(rule, app=rule.app or only.id) for rule in settings.typing),
        receipts=tuple(named(rule, app=rule.app or only.id) for rule in settings.receipts),
        routes=tuple(named(rule, app=rule.app or only.id) for rule in settings.routes),
        auth=named(
            settings.auth,
            introspection=tuple(
                named(rule, app=rule.app or only.id) for rule in settings.auth.introspection
            ),
        ),
    )


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _is_memory(url: Url) -> bool:
    return url.scheme == "memory"


def _refuse(problems: list[str]) -> None:
    if problems:
        raise Misconfigured("\n".join(problems))
