"""
Rules that are read again while the process runs: apps, policies, selections, routes, token keys.

They are all replaced, or none is.

What else the file says takes effect with the next start.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from libs.common.apps.memory import MemoryApps
from libs.common.apps.port import Apps
from libs.common.errors import Unavailable
from libs.common.policies.guards import Guards
from libs.common.policies.policies import Policies
from libs.common.policies.selections import ReceiptRule, SelectedChannels, TypingRule
from libs.common.tokens.key_ring import KeyRing
from libs.common.web.server import Service
from services.dispatcher.service import compiled
from services.dispatcher.settings import Route
from services.settings import Settings


@dataclass(frozen=True, slots=True)
class Rules:
    """
    What services take from a file that was read again: all of it can work.

    Attributes:
        policies: Who may join which channels.
        guards: The policies of public channels.
        routes: Which domain events become which broadcasts.
        typing: Where clients may say that they type, though their app has no client events.
        receipts: Where it is kept how far each user has read.
    """

    policies: Policies
    guards: Guards
    routes: Sequence[Route]
    typing: SelectedChannels[TypingRule]
    receipts: SelectedChannels[ReceiptRule]


class Reloadable(Service, Protocol):
    """A service that is told when rules change, and takes those that concern it."""

    def adopt(self, rules: Rules, /) -> None:
        """Put other rules in the place of all.  They were checked, so it cannot fail."""


def adopt(settings: Settings, services: Iterable[Reloadable], *, apps: Apps, ring: KeyRing) -> None:
    """
    Put the rules of other settings in the place of all.

    Args:
        settings: As read again.
        services: Those of this process.
        apps: The apps that these services know.
        ring: The keys of channel tokens that these services know.

    Raises:
        Misconfigured: One rule cannot work; none was replaced.
    """
    rules = Rules(
        Policies(settings.channels),
        Guards(settings.channels),
        settings.routes,
        SelectedChannels(settings.typing),
        SelectedChannels(settings.receipts),
    )
    known = MemoryApps(settings.apps) if apps.follow_file else apps
    with suppress(Unavailable):  # Of apps that are not known yet, routes are checked when they are.
        compiled(settings.routes, known, settings.dispatcher)
    ring.replace(settings.tokens)
    apps.adopt(settings.apps)
    for service in services:
        service.adopt(rules)
