"""
Requests that publish, as the SDKs for back ends send them: composed and signed beforehand.

Pure.  Every event has data of its own and of the same size, so that nobody can answer from memory
and all that subscribers receive can be counted.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from bench import websocket
from bench.deployment import APP
from bench.load.seats import channel_names
from libs.common.apps.signatures import request_text, sign
from libs.common.bus.messages import event_frame

TEXT = "x" * 80  # Makes the data some hundred bytes.
EVENT = "event"
_HEADERS = (
    "Host: 127.0.0.1",
    "User-Agent: bench",
    "Accept: */*",
    "Accept-Encoding: gzip, deflate",
    "Connection: keep-alive",
    "X-Pusher-Library: bench 1",
    "Content-Type: application/json",
)


def data(number: int) -> str:
    """Return the data of an event: of the same size for all numbers below a hundred million."""
    return f'{{"n":{10**8 + number},"text":"{TEXT}"}}'


def size(prefix: str) -> int:
    """Return how many bytes a subscriber receives of an event in a channel with this prefix."""
    (channel,) = channel_names(prefix, 1)
    return websocket.framed(len(event_frame(channel, EVENT, data(0))))


def posts(channels: Sequence[str], count: int, *, batch: int, now: int) -> list[bytes]:
    """
    Compose requests.

    Args:
        channels: Which have an event in turn.
        count: Events in all.
        batch: Events of one request; 1: each is posted by itself.
        now: UTC epoch seconds.
    """
    events = [
        {"name": EVENT, "channel": channels[number % len(channels)], "data": data(number)}
        for number in range(count)
    ]
    if batch == 1:
        return [_post("events", event, now) for event in events]
    starts = range(0, count, batch)
    return [_post("batch_events", {"batch": events[at : at + batch]}, now) for at in starts]


def _post(endpoint: str, content: Any, now: int) -> bytes:
    body = msgspec.json.encode(content)
    path = f"/apps/{APP.id}/{endpoint}"
    query = [
        ("auth_key", APP.key),
        ("auth_timestamp", str(now)),
        ("auth_version", "1.0"),
        ("body_md5", hashlib.md5(body, usedforsecurity=False).hexdigest()),
    ]
    signature = sign(APP.secrets[0].reveal(), request_text("POST", path, query))
    asked = "&".join(f"{name}={value}" for name, value in [*query, ("auth_signature", signature)])
    first, last = f"POST {path}?{asked} HTTP/1.1", f"Content-Length: {len(body)}"
    return "\r\n".join((first, *_HEADERS, last, "", "")).encode() + body
