"""Bring the database up to date; safe to run at any time, and from several places at once."""

import argparse
import asyncio
import sys

from libs.common.config.address import Url
from libs.common.errors import Misconfigured, Unavailable
from libs.common.postgres.connection import reason
from libs.common.postgres.migrate import migrate
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
    return max(_migrate(url) for url in urls)


def _migrate(url: Url) -> int:
    try:
        applied = asyncio.run(migrate(url))
    except Unavailable as error:
        print(f"fanfare: {url}: {error}: {reason(error)}", file=sys.stderr)
        return 1
    print(f"{url}: {', '.join(applied) or 'up to date'}")
    return 0
