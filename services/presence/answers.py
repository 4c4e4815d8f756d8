"""
What is told of users and of channels.

Pure.  Instants are told as RFC 3339 has them, in UTC.
"""

from typing import Any

import msgspec

from libs.common.json_text import JsonReader
from libs.common.rfc3339 import text_of
from libs.common.roster.port import Seated

ACTIVE = "active"
AWAY = "away"


class _Device(msgspec.Struct):
    activity: str = ACTIVE


_decode_device = JsonReader(_Device).read


def told_user(user: str, seated: Seated, *, last_seen: float | None) -> dict[str, Any]:
    """
    Tell how a user is.

    Args:
        user: The user's id.
        seated: How the user's own channel is occupied; its members are devices.
        last_seen: When the user was last seen, in UTC epoch seconds; None: never, as far as it was
            kept.
    """
    devices = [
        {"id": _name(member), "activity": _activity(info)}
        for member, info in sorted(seated.members.items())
    ]
    return {
        "id": user,
        "online": bool(devices),
        "activity": _activity_of({str(device["activity"]) for device in devices}),
        "connections": seated.connections if devices else 0,
        "devices": devices,
        "online_since": text_of(seated.since) if devices else None,
        "last_seen": None if last_seen is None else text_of(last_seen),
    }


def told_members(seated: Seated) -> dict[str, Any]:
    """Tell who is in a presence channel, in order of their ids."""
    members = [
        {"id": user, "user_info": msgspec.Raw(info.encode())}
        for user, info in sorted(seated.members.items())
    ]
    return {
        "members": members,
        "count": len(members),
        "connections": seated.connections if members else 0,
        "occupied_since": text_of(seated.since) if members else None,
    }


def _name(member: str) -> str | None:
    """Name a device; the member that stands for all that are too many has a name of ours."""
    return member if member.isprintable() else None


def _activity(info: str) -> str:
    """Read whether a device is active; who says nothing of it is."""
    try:
        return AWAY if _decode_device(info).activity == AWAY else ACTIVE
    except (msgspec.DecodeError, RecursionError):
        return ACTIVE


def _activity_of(devices: set[str]) -> str | None:
    """Tell of several devices whether the user is there: one that is active is enough."""
    if not devices:
        return None
    return ACTIVE if ACTIVE in devices else AWAY
