"""What sessions of clients with channel tokens are told, and how to read what they lose."""

import json
from typing import Any

from libs.common.apps.app import App
from libs.common.apps.signatures import channel_text, token
from libs.common.control.commands import Command
from services.gateway.protocol import frames
from services.gateway.protocol.effects import Ask, BelongsTo, Effect, Leave
from services.gateway.session.session import Session
from tests.support.clients.pusher import subscribe
from tests.support.tokens.channel_tokens import channel_token
from tests.unit.gateway.conftest import GRACE, SOCKET_ID
from tests.unit.gateway.conversation import refusal

TTL = 20.0
OVER = TTL + GRACE
ROOM, LOBBY = "private-room", "presence-lobby"
OWN = "#server-to-user-ann"


def text(*channels: str, user: str = "ann", at: float = 0.0, **more: Any) -> str:
    return channel_token(user, *(channels or ("*",)), now=at, ttl=TTL, **more)[0]


def sign_in(auth: str, user_data: str | None = None) -> str:
    data = {"auth": auth} if user_data is None else {"auth": auth, "user_data": user_data}
    return json.dumps({"event": "pusher:signin", "data": data})


def join(session: Session, channel: str, auth: str, *, now: float = 0.0) -> None:
    """Subscribe, and be let in."""
    asked = session.received(subscribe(channel, auth=auth), now=now)
    assert any(isinstance(effect, Ask) for effect in asked), asked
    is_presence = channel.startswith("presence")
    session.admitted(channel, frames.joined(channel, {}) if is_presence else None)


def granted(channel: str, app: App, **holder: Any) -> bytes:
    """Return a subscription with what a back end signs."""
    data = json.dumps(holder) if holder else None
    auth = token(app, channel_text(SOCKET_ID, channel, data))
    return subscribe(channel, auth=auth, channel_data=data)


def lost(effects: list[Effect], channel: str) -> dict[str, Any]:
    """See that a channel, and at most whose the connection is, was taken away; return why."""
    told: list[Effect] = [each for each in effects if not isinstance(each, BelongsTo)]
    assert told[0] == Leave(channel)
    assert len(told) == 2
    return refusal(told)


def command(
    verb: str, subject: str, *channels: str, kind: str = "user", at: float = 1.0
) -> Command:
    return Command(verb, "1", subject, at, at + 600, kind=kind, channels=channels)
