"""Check the settings without starting anything: exit status 0, or 2 and what is wrong."""

import argparse

from libs.common.apps import MemoryApps
from services.auth.identity import prepared_key
from services.auth.policy import Policies
from services.dispatcher.service import compiled
from services.settings import SERVICES, Settings, check_services


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "services",
        nargs="*",
        metavar="SERVICE",
        help=f"those that run together, of {', '.join(SERVICES)}",
    )


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Compile all rules; raises Misconfigured where one cannot work."""
    check_services(settings, arguments.services or SERVICES)
    Policies(settings.channels)
    for issuer in settings.auth.issuers:
        if not issuer.jwks:
            prepared_key(issuer)
    if settings.apps:
        compiled(settings.routes, MemoryApps(settings.apps), settings.dispatcher)
    counts = f"{len(settings.apps)} apps, {len(settings.channels)} policies, {len(settings.routes)} routes"
    print(f"the settings are good: {counts}")
    return 0
