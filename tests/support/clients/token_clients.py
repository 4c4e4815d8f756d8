"""Clients with channel tokens, and what they are told."""

import time
from typing import Any

from libs.common.control.commands import Command
from libs.common.tokens.channel_tokens import ChannelToken
from tests.support.clients import pusher
from tests.support.clients.client import SUCCEEDED, Client
from tests.support.services.gateway import APP
from tests.support.tokens.channel_tokens import channel_token

PRIVATE, PRESENCE = "private-room.1", "presence-room.1"
KEPT = 600.0  # Seconds for which commands are remembered.


def issued(
    *channels: str, user: str = "ann", at: float | None = None, **more: Any
) -> tuple[str, ChannelToken]:
    now = time.time() if at is None else at
    return channel_token(user, *(channels or ("*",)), now=now, **more)


def command(verb: str, subject: str, *channels: str, kind: str = "user") -> Command:
    now = time.time()
    return Command(verb, APP.id, subject, now, now + KEPT, kind=kind, channels=channels)


async def join(client: Client, text: str, *channels: str) -> None:
    for channel in channels:
        await client.send(pusher.subscribe(channel, auth=text))
        await client.expect(SUCCEEDED, channel)


async def expect_refusal(client: Client, channel: str) -> int:
    """Read why a channel is not open, which must be next; return the status."""
    data = await client.expect("pusher:subscription_error", channel)
    assert data["type"] == "AuthError"
    status: int = data["status"]
    return status
