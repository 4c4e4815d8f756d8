"""
What back ends ask about channels, and what they are answered.

Pure.  Source: Pusher, "HTTP API": channel and user queries; docs/protocol.md, "HTTP API".
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from libs.common.bus.messages import Cached
from libs.common.channels import Channel
from libs.common.errors import Invalid
from libs.common.json_text import JsonReader

USER_COUNT = "user_count"
SUBSCRIPTION_COUNT = "subscription_count"
CACHE = "cache"

Attributes = frozenset[str]

_NOTHING: Attributes = frozenset()
_KNOWN = frozenset({USER_COUNT, SUBSCRIPTION_COUNT, CACHE})


class BadQuery(Invalid):
    """A query asks for what does not exist, or not for this channel."""


class Facts(msgspec.Struct, frozen=True):
    """
    What is known of a channel.

    Attributes:
        subscriptions: On all gateways.
        users: Of a presence channel.
        cached: What a cache channel keeps.
    """

    subscriptions: int = 0
    users: int = 0
    cached: Cached | None = None


class _Frame(msgspec.Struct):
    data: str = ""


_decode_frame = JsonReader(_Frame).read


def attributes_of(info: str) -> Attributes:
    """
    Read the names of attributes, joined by commas.

    Raises:
        BadQuery: There is no such attribute.
    """
    if not info:
        return _NOTHING
    names = frozenset(name for part in info.split(",") if (name := part.strip()))
    for name in sorted(names - _KNOWN):
        raise BadQuery(f"info: there is no attribute {name[:64]!r}")
    return names


def applicable(channel: Channel, asked: Attributes) -> Attributes:
    """Keep of the attributes those that a channel can have."""
    lacking = set()
    if not channel.is_presence:
        lacking.add(USER_COUNT)
    if not channel.is_cache:
        lacking.add(CACHE)
    return asked - lacking


def check_channel_query(channel: Channel, asked: Attributes) -> None:
    """
    Check what is asked of one channel.

    Raises:
        BadQuery: It cannot have such an attribute.
    """
    for name in sorted(asked - applicable(channel, asked)):
        kind = "presence" if name == USER_COUNT else "cache"
        raise BadQuery(f"info: only {kind} channels have {name}")


def check_listing(prefix: str, asked: Attributes) -> None:
    """
    Check what is asked of all channels whose names begin with a prefix.

    Raises:
        BadQuery: Not all of them can have such an attribute.
    """
    if USER_COUNT in asked and not prefix.startswith("presence-"):
        raise BadQuery("info: user_count needs filter_by_prefix to begin with presence-")
    if CACHE in asked:
        raise BadQuery("info: cache can be asked of one channel alone")


def described(channel: Channel, facts: Facts, asked: Attributes) -> dict[str, Any]:
    """Tell those attributes of a channel that are asked for, and that it can have."""
    told: dict[str, Any] = {}
    wanted = applicable(channel, asked)
    if USER_COUNT in wanted:
        told[USER_COUNT] = facts.users
    if SUBSCRIPTION_COUNT in wanted:
        told[SUBSCRIPTION_COUNT] = facts.subscriptions
    if CACHE in wanted:
        told[CACHE] = _cache(facts.cached)
    return told


def is_occupied(facts: Facts) -> bool:
    """Tell whether anybody is there; a user whose grace runs still is."""
    return facts.subscriptions > 0 or facts.users > 0


def occupation(channel: Channel, facts: Facts, asked: Attributes) -> dict[str, Any]:
    """Answer the query for one channel."""
    return {"occupied": is_occupied(facts), **described(channel, facts, asked)}


def statistics(channel: Channel, facts: Facts) -> dict[str, Any]:
    """Answer the query for one channel in its deprecated shape (``/stats``)."""
    told: dict[str, Any] = {"occupied": is_occupied(facts)}
    told["connection_count"] = facts.subscriptions
    if channel.is_presence:
        told[USER_COUNT] = facts.users
    return told


def users(infos: Mapping[str, str], *, with_info: bool) -> dict[str, Any]:
    """
    Answer the query for a presence channel's users.

    Args:
        infos: User id to ``user_info`` as JSON text.
        with_info: Whether ``user_info`` is told too, as Soketi does.
    """
    if not with_info:
        return {"users": [{"id": user_id} for user_id in infos]}
    return {
        "users": [
            {"id": user_id, "user_info": msgspec.Raw(info.encode())}
            for user_id, info in infos.items()
        ]
    }


def _cache(cached: Cached | None) -> dict[str, Any] | None:
    if cached is None:
        return None
    frame = _decode_frame(cached.entry.broadcast.frame)
    return {"data": frame.data, "ttl": max(1, round(cached.ttl))}
