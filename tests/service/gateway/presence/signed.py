"""Clients that sign in, with devices and watchlists, and what is read of users."""

import json
from typing import Any

import msgspec

from libs.common.apps.signatures import token, user_text
from libs.common.channels import Channel, online_channel
from libs.common.roster.device import Device, read
from tests.support.clients.client import Client
from tests.support.services.gateway import APP, Place

WATCHING = msgspec.structs.replace(APP, watchlists=True)
EVENTS = "pusher_internal:watchlist_events"


def online(user: str) -> Channel:
    return online_channel(APP.id, user)


async def sign_in(client: Client, user: str, *watchlist: str, **info: Any) -> Client:
    """Sign in, with ``user_info`` if there is any, and be told so."""
    data = {"id": user, "user_info": info or None, "watchlist": watchlist}
    text = json.dumps(data)
    auth = token(APP, user_text(client.socket_id, text))
    await client.send({"event": "pusher:signin", "data": {"auth": auth, "user_data": text}})
    await client.expect("pusher:signin_success")
    return client


async def watching(client: Client) -> dict[str, list[str]]:
    """Read the next message, which must tell of users; return whom, by what became of them."""
    events = (await client.expect(EVENTS))["events"]
    assert all(event["user_ids"] for event in events)
    return {event["name"]: sorted(event["user_ids"]) for event in events}


def devices(here: Place, user: str) -> dict[str, Device]:
    """Return a user's devices by member, as the roster has them."""
    return {
        member: read(info) for member, info in here.roster.inner._read(online(user)).infos.items()
    }


def is_online(here: Place, user: str) -> bool:
    return bool(here.roster.users(online(user)))
