"""Bring the database up to date; safe to run at any time, and from several places at once."""

import argparse
import asyncio

from libs.common.errors import Misconfigured
from libs.common.migrations_postgres import migrate
from services.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: nothing."""
    _ = parser


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Apply what is missing, to each database that the settings name."""
    _ = arguments
    urls = dict.fromkeys(
        url
        for url in (
            settings.backends.apps,
            settings.backends.memberships,
            settings.backends.sightings,
        )
        if url.scheme != "memory"
    )
    if not urls:
        raise Misconfigured("no backend is in PostgreSQL: there is nothing to migrate")
    for url in urls:
        applied = asyncio.run(migrate(url))
        print(f"{url}: {', '.join(applied) or 'up to date'}")
    return 0
