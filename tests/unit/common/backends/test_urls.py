"""What is wrong with the URLs of the backends; tests/unit/test_settings.py has them in a file."""

from typing import Any

import pytest

from libs.common.backends.settings import BackendSettings
from libs.common.backends.urls import refused_urls
from libs.common.config.address import Url
from libs.common.redis.pubsub.ways import Way


def refused(**urls: str) -> list[str]:
    read: dict[str, Any] = {name: Url(url) for name, url in urls.items()}
    return list(refused_urls(BackendSettings(**read)))


REDIS = "redis://host"


@pytest.mark.parametrize(
    "urls",
    [
        {},
        {"bus": REDIS, "roster": REDIS},
        {"events": "none"},
        {"events": "kafka://host:9092", "apps": "postgresql://host/db"},
    ],
)
def test_good(urls: dict[str, str]) -> None:
    assert refused(**urls) == []


def test_scheme() -> None:
    """Said is what it may begin with; once, also for what takes its URL from there."""
    (said,) = refused(memberships="mysql://host")

    assert said == (
        "backends.memberships: expected a URL that begins with one of memory://, postgresql://, "
        "postgres://; found mysql://host"
    )


def test_empty() -> None:
    (said,) = refused(events="")

    assert said.endswith("kafka://, or none; write kafka://HOST:9092")


def test_unreadable() -> None:
    (said,) = refused(events="kafka://")

    assert said.startswith("backends.events: ")


def test_apart() -> None:
    """The roster must be where the bus is."""
    (said,) = refused(bus=REDIS)

    assert said.startswith("backends.roster must be on the same servers as backends.bus")


CLUSTER = "redis+cluster://one,two"


@pytest.mark.parametrize("pubsub", ["both-classic", "both-sharded", "sharded"])
def test_pubsub(pubsub: Way) -> None:
    """What is announced for one node needs several: it is refused elsewhere, in a sentence."""
    there = BackendSettings(bus=Url(CLUSTER), roster=Url(CLUSTER), pubsub=pubsub)
    here = BackendSettings(bus=Url(REDIS), roster=Url(REDIS), pubsub=pubsub)

    assert list(refused_urls(there)) == []
    (said,) = refused_urls(here)
    assert said == (
        f'backends.pubsub = "{pubsub}" needs a Redis Cluster in backends.bus, '
        f"redis+cluster://…, and is of no use elsewhere; found {REDIS}"
    )
