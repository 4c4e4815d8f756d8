"""How tests of sessions read the answers, and what clients say in them."""

import json
from typing import Any

from services.gateway.protocol.effects import Effect, Refuse, Send
from services.gateway.session.session import Session
from tests.support.clients.pusher import read, subscribe_private
from tests.unit.gateway.conftest import SOCKET_ID


def sent(effects: list[Effect]) -> list[dict[str, Any]]:
    return [read(effect.frame) for effect in effects if isinstance(effect, Send | Refuse)]


def errors(effects: list[Effect]) -> list[int]:
    return [frame["data"]["code"] for frame in sent(effects) if frame["event"] == "pusher:error"]


def refusal(effects: list[Effect]) -> dict[str, Any]:
    (frame,) = sent(effects)
    assert frame["event"] == "pusher:subscription_error"
    data: dict[str, Any] = frame["data"]
    return data


def joined(session: Session, channel: str) -> Session:
    session.received(subscribe_private(session.app, SOCKET_ID, channel), now=0)
    session.admitted(channel, None)
    return session


def client_event(channel: str, event: str = "client-typing", data: Any = None, **extra: Any) -> str:
    return json.dumps({"event": event, "channel": channel, "data": data, **extra})
