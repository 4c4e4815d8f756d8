"""Bring the database up to date; safe to run at any time, and from several places at once."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from libs.common.config.address import Url
from libs.common.errors import Misconfigured, Unavailable
from libs.common.postgres.migrate import migrate
from services.cli.client import trouble
from services.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: nothing."""
    _ = parser


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Apply what is missing, to each database that the settings name."""
    _ = arguments
    named: dict[Url, list[str]] = {}
    for name in ("apps", "memberships", "sightings"):
        url: Url = getattr(settings.backends, name)
        if url.scheme != "memory":
            named.setdefault(url, []).append(name)
    if not named:
        raise Misconfigured(
            "no backend is in PostgreSQL, so that there is nothing to migrate: "
            "name one in backends.apps or backends.memberships"
        )
    return max(_migrate(url, names) for url, names in named.items())


def _migrate(url: Url, names: Sequence[str]) -> int:
    try:
        applied = asyncio.run(migrate(url))
    except Unavailable as error:
        print(f"fanfare: {trouble(names, url, error)}", file=sys.stderr)
        return 1
    print(f"{url}: {', '.join(applied) or 'up to date'}")
    return 0
