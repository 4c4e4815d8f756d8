"""Webhooks of apps in memory, and what is told to them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from itertools import count
from typing import Any

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.apps.webhooks import WebhookSettings
from libs.common.config.secret import Secret
from libs.common.dead_letters.memory import MemoryDeadLetters
from libs.common.dead_letters.port import DeadLetter, Selection
from libs.common.lifecycle.facts import Fact, Kind, Recorded, Stream
from libs.common.retry import Backoff
from services.presence.settings import PresenceSettings
from services.presence.webhooks.delivery import WebhookTools
from services.presence.webhooks.targets import Webhook, Webhooks, receivers
from tests.support.deadline import DEADLINE
from tests.support.fakes.webhook_receiver import Receiver

LOOPBACK = ip_network("127.0.0.0/8")
SECRET = "hush"
_numbers = count(1)


def app_with(*webhooks: WebhookSettings, app_id: str = "1", **fields: Any) -> App:
    """Make an app that has webhooks."""
    usual = {"key": f"key-{app_id}", "secrets": (Secret(SECRET),)}
    return App(**({"id": app_id, "webhooks": webhooks} | usual | fields))


def hook(receiver: Receiver, name: str = "a", **fields: Any) -> WebhookSettings:
    """Make a webhook that posts to a receiver."""
    return WebhookSettings(**({"url": receiver.url, "name": name} | fields))


def record(kind: Kind, channel: str = "", user: str = "", **fields: Any) -> Recorded:
    """Record a fact that is of just now."""
    known = {"kind": kind, "app": "1", "channel": channel, "user": user} | fields
    dated = Fact(**known | {"at": time.time()})
    return Recorded(Stream("1", 0), next(_numbers), "epoch", dated)


class Site:
    """
    The webhooks of some apps.

    Attributes:
        apps: The apps, which may change.
        letters: What could not be delivered.
        tools: What it is delivered with.
        webhooks: The webhooks.
    """

    def __init__(
        self, apps: MemoryApps, timer: Callable[[], float] = time.monotonic, **settings: Any
    ) -> None:
        usual = {"webhook_patience": DEADLINE, "webhook_timeout": DEADLINE, "vacated_delay": 0.0}
        self.apps = apps
        self.letters = MemoryDeadLetters(100, 1000.0)
        self.tools = WebhookTools(
            apps,
            receivers([LOOPBACK]),
            self.letters,
            PresenceSettings(**(usual | settings)),
            backoff=lambda: Backoff(0.01, 0.05),
            timer=timer,
        )
        self.webhooks = Webhooks(self.tools)

    def __getitem__(self, name: str) -> Webhook:
        (found,) = (each for each in self.webhooks.of("1") if each.name == f"webhook:1:{name}")
        return found

    async def dead(self) -> list[DeadLetter]:
        """Return the dead letters."""
        return [*await self.letters.read(Selection(), limit=100)]


@asynccontextmanager
async def site(
    *apps: App, timer: Callable[[], float] = time.monotonic, **settings: Any
) -> AsyncIterator[Site]:
    """Deliver the webhooks of some apps."""
    one = Site(MemoryApps(apps), timer, **settings)
    async with asyncio.timeout(DEADLINE), one.webhooks.opened():
        yield one
