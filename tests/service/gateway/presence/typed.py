"""Gateways whose clients' users type, and what tests read of that."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from libs.common.apps.memory import MemoryApps
from libs.common.policies.selections import ReceiptRule, SelectedChannels, TypingRule
from services.gateway.session.rules import SessionRules
from tests.support.clients.client import Client
from tests.support.deadline import DEADLINE
from tests.support.services.gateway import APP, Place, place

ROOM = "presence-room"
CHAT = "private-chat"
TYPING = "fanfare:typing"
MUTE = MemoryApps([msgspec.structs.replace(APP, client_events=False)])


def rules(
    ttl: float = DEADLINE, *, typing: Iterable[str] = (), receipts: Iterable[ReceiptRule] = ()
) -> SessionRules:
    """Make rules by which users type, also in channels of these patterns where the app is mute."""
    selected = SelectedChannels([TypingRule(pattern=pattern, app=APP.id) for pattern in typing])
    return SessionRules(0.0, ttl, selected, SelectedChannels(receipts))


@asynccontextmanager
async def two(ttl: float = DEADLINE, **others: Any) -> AsyncIterator[tuple[Place, Place]]:
    """Serve two gateways that share all backends, for users who type."""
    async with (
        place(rules=rules(ttl), **others) as here,
        place(
            bus=here.bus,
            roster=here.roster,
            tally=here.tally,
            typists=here.typists,
            rules=rules(ttl),
            **others,
        ) as there,
    ):
        yield here, there


async def member(here: Place, user: str, channel: str = ROOM) -> Client:
    """Connect, and be a member of a channel as this user."""
    client = await here.connect()
    await client.subscribe(channel, user=user)
    return client


async def types(client: Client, channel: str = ROOM, **data: Any) -> None:
    await client.whisper(channel, "client-typing", data)


async def read_until(client: Client, event: str, data: Any) -> list[dict[str, Any]]:
    """Read on until the client is told this; return all that it was told until then."""
    told: list[dict[str, Any]] = []
    while not told or (told[-1]["event"], told[-1].get("data")) != (event, data):
        told.append(await client.read())
    return told


async def lists(client: Client, *users: str, channel: str = ROOM) -> list[list[str]]:
    """Read on until these users type, and return which lists of that channel were told."""
    told = await read_until(client, TYPING, {"user_ids": list(users)})
    ours = [each for each in told if (each["event"], each.get("channel")) == (TYPING, channel)]
    assert ours[-1:] == told[-1:]
    return [each["data"]["user_ids"] for each in ours]


async def listed(client: Client, *users: str, channel: str = ROOM) -> None:
    """Read on until the client is told that these users type."""
    await lists(client, *users, channel=channel)


async def heard(client: Client) -> None:
    """See that all was taken that the client has said until now; what it is told is passed over."""
    await client.send({"event": "pusher:ping", "data": {}})
    await read_until(client, "pusher:pong", {})
