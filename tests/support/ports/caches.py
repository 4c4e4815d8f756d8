"""Cache channels: what is published in them, and who comes."""

import time

from libs.common.bus.messages import Broadcast, Position, Publication, event_frame
from libs.common.channels import Channel
from tests.support.clients.client import Client
from tests.support.services.gateway import APP, Place

MISS = "pusher:cache_miss"
ROOM = "private-cache-a"
CHANNEL = Channel(APP.id, ROOM)
KINDS = ["cache-a", "private-cache-a", "private-encrypted-cache-a", "presence-cache-a"]


async def publish(here: Place, channel: str, *data: str, age: float = 0.0) -> None:
    """Publish events, as if that had been some seconds ago."""
    at = time.time() - age
    broadcasts = [Broadcast(event_frame(channel, "news", text), at) for text in data]
    await here.bus.inner.publish(
        [Publication(Channel(APP.id, channel), each) for each in broadcasts]
    )


async def subscribed(here: Place, channel: str) -> Client:
    """Subscribe, as a user of its own where the channel has members, and read the answer."""
    client = await here.connect()
    await client.subscribe(channel, user=client.socket_id if "presence" in channel else "")
    return client


def position(here: Place, channel: Channel) -> Position:
    """Return up to where a gateway delivered a channel's entries."""
    room = here.gateway._hub.room(channel)
    assert room is not None
    return room.position
