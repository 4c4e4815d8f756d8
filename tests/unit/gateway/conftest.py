"""What tests of the gateway's cores begin with."""

import pytest

from libs.common.apps.app import App
from libs.common.apps.limits import Limits
from libs.common.bus.messages import Position
from libs.common.config.secret import Secret
from services.gateway.access.verifier import Verifier
from services.gateway.channels.hub import Hub
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from tests.support.tokens.channel_tokens import channel_token, verifier
from tests.unit.gateway.channels.hubs import NEWS, ROOM, Client
from tests.unit.gateway.prompt import PromptSession

SOCKET_ID = "1234.1234"
GRACE = 5.0  # Seconds for which what a token opened outlives it.


@pytest.fixture
def app() -> App:
    return App(
        id="1",
        key="app-key",
        secrets=(Secret("app-secret"),),
        client_events=True,
        limits=Limits(channels=3, client_events=2),
    )


@pytest.fixture
def settings() -> GatewaySettings:
    return GatewaySettings()


@pytest.fixture
def known() -> Verifier:
    return verifier(grace=GRACE)


@pytest.fixture
def session(app: App, settings: GatewaySettings, known: Verifier) -> Session:
    return PromptSession(app, SOCKET_ID, settings, now=0.0, verifier=known)


@pytest.fixture
def carrying(app: App, settings: GatewaySettings, known: Verifier) -> Session:
    """Return one whose client connected with a token for everything, which is good for 20 seconds."""
    text, _ = channel_token("ann", "*", now=0.0, ttl=20.0)
    carried = known.accept(text, app, now=0.0)
    return PromptSession(app, SOCKET_ID, settings, now=0.0, verifier=known, carried=carried)


@pytest.fixture
def hub() -> Hub[Client]:
    hub: Hub[Client] = Hub()
    hub.open(NEWS, Position("e", 5), now=0.0)
    hub.open(ROOM, Position("e", 0), now=0.0)
    return hub
