"""What clients of guarded public channels say, and how to read what they are told."""

import json
from typing import Any

from libs.common.apps.app import App
from libs.common.apps.signatures import token, user_text
from libs.common.policies.settings import ChannelPolicy
from services.gateway.protocol.effects import Ask, Effect
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from tests.support.clients.pusher import subscribe
from tests.unit.gateway.conftest import SOCKET_ID
from tests.unit.gateway.tokens import sign_in, text

WAIT = GatewaySettings().sign_in_wait
OURS, THEIRS = "products.a", "products.b"


GUARD = ChannelPolicy(app="1", pattern="products.{tenant}", allow="claims.tenant == tenant")


def signed(app: App, **more: Any) -> str:
    """Sign in as a back end lets the user."""
    data = json.dumps({"id": "ann", **more})
    return sign_in(token(app, user_text(SOCKET_ID, data)), data)


def of_tenant(tenant: str, **more: Any) -> str:
    return text("private-x", claims={"tenant": tenant}, **more)


def asked(effects: list[Effect]) -> list[str]:
    return [effect.channel for effect in effects if isinstance(effect, Ask)]


def join(session: Session, channel: str, auth: str = "") -> Session:
    assert asked(session.received(subscribe(channel, auth=auth), now=0)) == [channel]
    session.admitted(channel, None)
    return session
