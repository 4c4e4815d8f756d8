"""What tests of the hub speak of: two channels, who subscribes, and what is delivered."""

from dataclasses import dataclass

from libs.common.bus.messages import Broadcast, Entry, Position, Transition
from libs.common.channels import Channel

NEWS, ROOM = Channel("1", "news"), Channel("1", "presence-room")


@dataclass(eq=False)
class Client:
    """A subscriber."""

    socket_id: str = "1.1"


def entry(offset: int, *, epoch: str = "e", channel: Channel = NEWS) -> Entry:
    """Make the entry at an offset; its frame is that number."""
    return Entry(channel, Position(epoch, offset), broadcast(str(offset)))


def broadcast(text: str, *excluded: str) -> Broadcast:
    """Make a broadcast with this frame."""
    return Broadcast(text.encode(), 0.0, excluded)


def transition(version: int, user_id: str, info: str | None = "null") -> Transition:
    """Make a transition of `ROOM`: somebody joins, or leaves where there is no info."""
    return Transition(ROOM, version, user_id, info)
