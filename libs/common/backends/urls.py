"""
The URLs of the backends: which kinds each may have, and what is wrong with one that cannot work.

Pure: nothing is connected to, or looked up.
"""

from collections.abc import Iterator, Mapping, Sequence

from libs.common.backends.settings import BackendSettings
from libs.common.config.address import Url
from libs.common.errors import Misconfigured
from libs.common.eventlog.kafka import settings as kafka_settings
from libs.common.postgres import address as postgres_address
from libs.common.redis import address as redis_address

_REDIS = ("redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
_CLUSTERS = ("redis+cluster", "rediss+cluster")
_POSTGRES = postgres_address.SCHEMES
_SCHEMES: Mapping[str, tuple[str, ...]] = {
    "bus": ("memory", *_REDIS),
    "events": ("memory", "kafka"),
    "apps": ("memory", *_POSTGRES),
    "roster": ("memory", *_REDIS),
    "sessions": ("memory", *_REDIS),
    "control": ("memory", *_REDIS),
    "memberships": ("memory", *_POSTGRES),
    "sightings": ("memory", *_POSTGRES),
}

# Whose URL a backend takes that is left out; what is wrong with it is told once.
TAKEN_FROM = {"sessions": "roster", "control": "roster", "sightings": "memberships"}
_EXAMPLES: Mapping[str, str] = {
    "redis": "redis://HOST:6379/0",
    "kafka": "kafka://HOST:9092",
    "postgresql": "postgresql://USER:PASSWORD@HOST:5432/DATABASE",
}


def refused_urls(backends: BackendSettings) -> Iterator[str]:
    """Yield what is wrong with the URLs, a sentence each."""
    for backend, schemes in _SCHEMES.items():
        url: Url = getattr(backends, backend)
        if backend == "events" and not backends.has_events:
            continue
        if url != getattr(backends, TAKEN_FROM.get(backend, ""), None):
            yield from _url_problems(backend, url, schemes)
    if redis_address.place_of(backends.bus) != redis_address.place_of(backends.roster):
        yield backends.apart
    if backends.pubsub != "classic" and backends.bus.scheme not in _CLUSTERS:
        yield (
            f'backends.pubsub = "{backends.pubsub}" needs a Redis Cluster in backends.bus, '
            f"redis+cluster://…, and is of no use elsewhere; found {backends.bus}"
        )


def _url_problems(backend: str, url: Url, schemes: Sequence[str]) -> Iterator[str]:
    if url.scheme not in schemes:
        allowed = ", ".join(f"{scheme}://" for scheme in schemes)
        allowed += ", or none" if backend == "events" else ""
        example = next(_EXAMPLES[scheme] for scheme in schemes if scheme in _EXAMPLES)
        seen = f"found {url}" if url.scheme else f"write {example}"
        yield f"backends.{backend}: expected a URL that begins with one of {allowed}; {seen}"
        return
    try:
        if url.scheme in _REDIS:
            redis_address.parse(url.reveal())
        elif url.scheme in _POSTGRES:
            postgres_address.options(url.reveal())
        elif url.scheme == "kafka":
            kafka_settings.servers(url.reveal())
    except Misconfigured as error:
        yield f"backends.{backend}: {error}"
