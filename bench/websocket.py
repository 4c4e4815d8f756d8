"""
As much of WebSocket and of Pusher as measuring needs: requests out, payloads in.

Pure.  It masks with zeros, which RFC 6455 allows and no server can tell, so that measuring costs
little.
"""

import struct
from typing import Any

import msgspec

from libs.common.apps.app import App
from libs.common.apps.signatures import channel_text, token

TEXT = 0x1
_HEAD_END = b"\r\n\r\n"


class Unexpected(Exception):
    """A server said something else than what the measurement is about."""


def upgrade(key: str) -> bytes:
    """Ask for a WebSocket of the app with this key."""
    lines = (
        f"GET /app/{key}?protocol=7&client=bench&version=1 HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
    )
    return "\r\n".join((*lines, "", "")).encode()


def subscribe(channel: str, auth: str = "") -> bytes:
    """Compose the frame that subscribes to a channel."""
    data = {"channel": channel, "auth": auth}
    return _masked(msgspec.json.encode({"event": "pusher:subscribe", "data": data}))


def subscribe_private(app: App, greeting: bytes, channel: str) -> bytes:
    """Compose the frame that subscribes to a private channel, signed for the greeted connection."""
    socket_id = msgspec.json.decode(read(greeting)["data"])["socket_id"]
    return subscribe(channel, token(app, channel_text(socket_id, channel)))


def subscribe_presence(app: App, greeting: bytes, channel: str, *, user_id: str) -> bytes:
    """Compose the frame that joins a presence channel as a user, without info, signed likewise."""
    socket_id = msgspec.json.decode(read(greeting)["data"])["socket_id"]
    member = msgspec.json.encode({"user_id": user_id}).decode()
    auth = token(app, channel_text(socket_id, channel, member))
    data = {"channel": channel, "auth": auth, "channel_data": member}
    return _masked(msgspec.json.encode({"event": "pusher:subscribe", "data": data}))


def client_event(channel: str, event: str) -> bytes:
    """Compose the frame of a client event without data."""
    return _masked(msgspec.json.encode({"event": event, "channel": channel, "data": {}}))


def framed(size: int) -> int:
    """Return how many bytes a server sends for a message of so many."""
    return size + (2 if size < 126 else 4 if size < 65_536 else 10)


def message(payload: bytes) -> bytes:
    """Compose the frame of any text."""
    return _masked(payload)


def _masked(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((0x80 | TEXT, 0x80 | size)) + bytes(4) + payload
    return struct.pack("!BBH", 0x80 | TEXT, 0x80 | 126, size) + bytes(4) + payload


PONG = bytes((0x8A, 0x80)) + bytes(4)  # RFC 6455, 5.5.3: one that nobody has asked for.
PING = _masked(b'{"event":"pusher:ping","data":{}}')


def read(payload: bytes) -> dict[str, Any]:
    """Decode a Pusher message."""
    message: dict[str, Any] = msgspec.json.decode(payload)
    return message


def expect(payload: bytes, event: str) -> bytes:
    """
    Return a payload if it is this event.

    Raises:
        Unexpected: The payload is another event.
    """
    if read(payload)["event"] != event:
        raise Unexpected(f"expected {event}, received {payload[:200]!r}")
    return payload


class Decoder:
    """Turns what a gateway sends, after its answer to `upgrade`, into payloads of text frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._upgraded = False

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take bytes as they came, and return the payloads that they complete.

        Raises:
            Unexpected: The server ended the connection, or refused to upgrade it.
        """
        if not data:
            raise Unexpected("the server ended the connection")
        self._buffer += data
        if not self._upgraded and not self._take_head():
            return []
        payloads = []
        while (found := self._take_frame()) is not None:
            opcode, payload = found
            if opcode == TEXT:
                payloads.append(payload)
        return payloads

    def _take_head(self) -> bool:
        head, end, _ = self._buffer.partition(_HEAD_END)
        if end and not head.startswith(b"HTTP/1.1 101 "):
            raise Unexpected(f"the server answered {bytes(head[:60])!r}")
        self._upgraded = bool(end)
        if end:
            del self._buffer[: len(head) + len(end)]
        return self._upgraded

    def _take_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 10 and (len(buffer) < 2 or len(buffer) < 2 + buffer[1]):
            return None
        start, size = 2, buffer[1]
        if size == 126:
            start, size = 4, int.from_bytes(buffer[2:4])
        elif size == 127:
            start, size = 10, int.from_bytes(buffer[2:10])
        if len(buffer) < start + size:
            return None
        payload = bytes(buffer[start : start + size])
        opcode = buffer[0] & 0x0F
        del buffer[: start + size]
        return opcode, payload
