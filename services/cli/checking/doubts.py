"""What can work, and hardly is what was meant: of the settings alone; nobody is asked."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from libs.common.apps.app import App
from libs.common.apps.limits import exceeds
from libs.common.channels import Kind, kind_of
from libs.common.config.address import Address
from libs.common.policies.settings import ChannelPolicy
from libs.common.telemetry.settings import TelemetrySettings
from libs.common.web.bodies.reading import MAX_BODY
from services.settings import Settings, topics_of

SHORTEST_SECRET = 16  # Characters that hold off whoever can try many; those we make have 64.
_EVERY = "{*}"  # The shape of a pattern such as ``{any*}``.
# Bytes of a request's body that its event's data cannot have: name, channel, braces.
ENVELOPE = 1024


def doubts(settings: Settings) -> Iterator[str]:
    """Yield what is doubtful, a sentence each."""
    yield from _plain_clients(settings)
    yield from _plain_telemetry(settings.telemetry)
    for app in settings.apps:
        yield from (f"app {app.id}: {doubt}" for doubt in _doubts(app, settings))
    if settings.presence.keeps_sightings and not _shares_sightings(settings):
        yield (
            "each presence process keeps when users were last seen in its own memory, until it "
            "ends: name a PostgreSQL in backends.sightings, or set presence.keep_last_seen to 0"
        )
    without = {app.id for app in settings.apps if not app.encryption_master_key.reveal()}
    for number, policy in enumerate(settings.channels):
        named = f'app {policy.app}: the policy for "{policy.pattern}"'
        if kind_of(policy.pattern) is Kind.ENCRYPTED and policy.app in without:
            yield f"{named} lets nobody in, for the app has no encryption_master_key"
        before = _covering(policy, settings.channels[:number])
        if before is not None:
            yield (
                f'{named} never decides, for "{before}" stands before it and fits all its channels'
            )


def _plain_clients(settings: Settings) -> Iterator[str]:
    server = settings.server
    reached = [address for address in server.listen if not address.is_loopback]
    if reached and not server.certificate and not server.trusted_proxies:
        yield (
            f"clients from elsewhere speak plain ws:// with server.listen ({reached[0]}), which "
            "anybody on their way reads: set server.certificate, or, where a proxy before it "
            "speaks TLS, name that in server.trusted_proxies"
        )


def _plain_telemetry(telemetry: TelemetrySettings) -> Iterator[str]:
    endpoint = telemetry.otlp_endpoint
    host = urlsplit(endpoint.reveal()).hostname or ""
    is_read = endpoint.scheme == "http" and not Address(host, 0).is_loopback
    if is_read and telemetry.otlp_authorization.reveal():
        yield (
            f"telemetry.otlp_authorization goes to {endpoint} without TLS, where anybody on the "
            "way reads it: begin telemetry.otlp_endpoint with https://"
        )


def _shares_sightings(settings: Settings) -> bool:
    """Whether what is kept of users is there for all processes, if there may be several."""
    alone = settings.backends.bus.scheme == "memory"
    return alone or settings.backends.sightings.scheme != "memory"


def _covering(policy: ChannelPolicy, earlier: Iterable[ChannelPolicy]) -> str | None:
    """Return the first pattern that leaves a policy nothing to decide, where that is certain."""
    for other in earlier:
        shape = _shape(other.pattern)
        if other.app == policy.app and shape in {_EVERY, _shape(policy.pattern)}:
            return other.pattern
    return None


def _shape(pattern: str) -> str:
    """Return a pattern without what its captures are called."""
    return re.sub(r"\{\w+(\*?)\}", r"{\1}", pattern)


def _doubts(app: App, settings: Settings) -> Iterator[str]:
    server, limits, longest = settings.server, app.limits, settings.gateway.max_message
    reached = [address for address in server.listen if not address.is_loopback]
    if reached and any(len(secret.reveal()) < SHORTEST_SECRET for secret in app.secrets):
        yield (
            f"a secret has fewer than {SHORTEST_SECRET} characters, and others reach "
            f"server.listen ({', '.join(map(str, reached))}): openssl rand -hex 32 makes a good one"
        )
    if app.tls_only and not server.certificate and not server.trusted_proxies:
        yield (
            "tls_only lets nobody connect, for TLS is known neither from server.certificate "
            "nor from server.trusted_proxies"
        )
    owners = {topic: setting for setting, topic in topics_of(settings).items()}
    if app.events_topic in owners:  # In a file it is refused.
        yield f"its row is not taken: topic: {app.events_topic} is {owners[app.events_topic]}"
    if limits.connections_per_tenant > 0 and not app.tenant:
        yield "limits.connections_per_tenant has no effect without tenant"
    if exceeds(limits.payload_bytes, MAX_BODY - ENVELOPE):
        yield (
            f"limits.payload_bytes ({limits.payload_bytes}) is not reached by back ends, "
            f"whose requests have {MAX_BODY} bytes at most"
        )
    if exceeds(limits.client_event_bytes, longest):
        yield (
            f"limits.client_event_bytes ({limits.client_event_bytes}) is not reached, "
            f"for gateway.max_message bounds the whole frame to {longest}"
        )
