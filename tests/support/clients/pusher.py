"""What a Pusher client says, and how to read what it hears."""

import json
from typing import Any

from libs.common.apps.app import App
from libs.common.apps.signatures import channel_text, token


def subscribe(channel: str, *, auth: str = "", channel_data: str | None = None) -> bytes:
    data: dict[str, Any] = {"channel": channel, "auth": auth}
    if channel_data is not None:
        data["channel_data"] = channel_data
    return json.dumps({"event": "pusher:subscribe", "data": data}).encode()


def unsubscribe(channel: str) -> bytes:
    return json.dumps({"event": "pusher:unsubscribe", "data": {"channel": channel}}).encode()


def subscribe_private(app: App, socket_id: str, channel: str) -> bytes:
    return subscribe(channel, auth=token(app, channel_text(socket_id, channel)))


def subscribe_presence(
    app: App, socket_id: str, channel: str, *, user_id: str | int, user_info: Any = None
) -> bytes:
    member = json.dumps({"user_id": user_id, "user_info": user_info})
    auth = token(app, channel_text(socket_id, channel, member))
    return subscribe(channel, auth=auth, channel_data=member)


def read(frame: bytes | str) -> dict[str, Any]:
    """Decode a frame, and its data if that is a string of JSON."""
    message: dict[str, Any] = json.loads(frame)
    if isinstance(message.get("data"), str):
        try:
            message["data"] = json.loads(message["data"])
        except ValueError:
            return message
    return message
