"""Publish an event to a channel of a running deployment."""

import argparse
import asyncio
import sys
from collections.abc import Mapping

import aiohttp

from libs.common.apps.app import App
from services.cli import client
from services.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("channel", help="the channel's name, prefix included")
    parser.add_argument("event", help="the event's name")
    parser.add_argument("data", nargs="?", default="{}", help="its data, as text (default: {})")
    client.configure(parser)


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Publish, and say what was answered."""
    app = client.app_of(settings, arguments.app)
    url = client.public_url(settings, arguments.url)
    payload = {"name": arguments.event, "channel": arguments.channel, "data": arguments.data}
    try:
        asyncio.run(_publish(url, app, payload))
    except (client.Refused, aiohttp.ClientError, TimeoutError) as error:
        print(f"fanfare: not published: {client.worded(error, url, app)}", file=sys.stderr)
        return 1
    print("published")
    return 0


async def _publish(url: str, app: App, payload: Mapping[str, str]) -> None:
    async with aiohttp.ClientSession(timeout=client.TIMEOUT) as http:
        await client.post(http, url, app, path=f"/apps/{app.id}/events", payload=payload)
