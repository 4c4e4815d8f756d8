"""
Rules that are read again while the process runs: apps, policies, routes and token keys, all or nothing.

What else the file says takes effect with the next start.
"""

from collections.abc import Iterable
from contextlib import suppress

from libs.common.apps.memory import MemoryApps
from libs.common.apps.port import Apps
from libs.common.errors import Unavailable
from libs.common.policies.guards import Guards
from libs.common.policies.policies import Policies
from libs.common.tokens.key_ring import KeyRing
from libs.common.web.server import Service
from services.auth.service import Auth
from services.dispatcher.service import Dispatcher, compiled
from services.gateway.service import Gateway
from services.settings import Settings


def adopt(settings: Settings, services: Iterable[Service], apps: Apps, *, ring: KeyRing) -> None:
    """
    Put the rules of other settings in the place of all.

    Args:
        settings: As read again.
        services: Those of this process.
        apps: Theirs.
        ring: Their keys of channel tokens.

    Raises:
        Misconfigured: One rule cannot work; none was replaced.
    """
    policies, guards = Policies(settings.channels), Guards(settings.channels)
    known = MemoryApps(settings.apps) if isinstance(apps, MemoryApps) else apps
    with suppress(Unavailable):  # Of apps that are not known yet, routes are checked when they are.
        compiled(settings.routes, known, settings.dispatcher)
    ring.replace(settings.tokens)
    if isinstance(apps, MemoryApps):
        apps.replace(settings.apps)
    for service in services:
        if isinstance(service, Auth):
            service.replace(policies, guards)
        elif isinstance(service, Gateway):
            service.replace(guards)
        elif isinstance(service, Dispatcher):
            service.replace(settings.routes)
