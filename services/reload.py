"""
Rules that are read again while the process runs: apps, policies and routes of the file, all or nothing.

What else the file says takes effect with the next start.
"""

from collections.abc import Iterable
from contextlib import suppress

from libs.common.apps import Apps, MemoryApps
from libs.common.errors import Unavailable
from libs.common.policies import Policies
from libs.common.runtime import Service
from services.auth.service import Auth
from services.dispatcher.service import Dispatcher, compiled
from services.settings import Settings


def adopt(settings: Settings, services: Iterable[Service], apps: Apps) -> None:
    """
    Put the rules of other settings in the place of all.

    Args:
        settings: As read again.
        services: Those of this process.
        apps: Theirs.

    Raises:
        Misconfigured: One rule cannot work; none was replaced.
    """
    policies = Policies(settings.channels)
    known = MemoryApps(settings.apps) if isinstance(apps, MemoryApps) else apps
    with suppress(Unavailable):  # Of apps that are not known yet, routes are checked when they are.
        compiled(settings.routes, known, settings.dispatcher)
    if isinstance(apps, MemoryApps):
        apps.replace(settings.apps)
    for service in services:
        if isinstance(service, Auth):
            service.replace(policies)
        elif isinstance(service, Dispatcher):
            service.replace(settings.routes)
