"""What a session keeps in memory: one object for the collector to look at, and nothing afterwards."""

import gc
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.common.apps.app import App
from services.gateway.access.verifier import Verifier
from services.gateway.session.rules import SessionRules
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from tests.support.clients.pusher import subscribe, subscribe_presence
from tests.unit.gateway.conftest import SOCKET_ID
from tests.unit.gateway.conversation import client_event, joined

PRIVATE, GUARDED, ROOM = "private-a", "guarded", "presence-room"
MANY = 500
ROOT = Path(__file__).parents[4]
OURS = [
    tracemalloc.Filter(inclusive=True, filename_pattern=f"{ROOT}/{part}/*")
    for part in ("libs", "services", "tests")
]


@pytest.fixture
def alone() -> Iterator[None]:
    """Keep the collector from what the test makes."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held() -> int:
    """Count the bytes that code of the repository holds, whatever other threads do meanwhile."""
    ours = tracemalloc.take_snapshot().filter_traces(OURS)
    return sum(each.size for each in ours.statistics("filename"))


class Sessions:
    """Makes sessions whose clients do all that leaves something in one."""

    def __init__(self, app: App, settings: GatewaySettings, known: Verifier) -> None:
        self._app = app
        self._settings = settings
        self._known = known
        self._rules = SessionRules()

    def greeted(self) -> Session:
        session = Session(
            self._app,
            SOCKET_ID,
            self._settings,
            now=0.0,
            verifier=self._known,
            rules=self._rules,
        )
        session.opened()
        return session

    def used(self) -> Session:
        session = joined(self.greeted(), PRIVATE)
        session.received(subscribe_presence(self._app, SOCKET_ID, ROOM, user_id="ann"), now=1)
        session.admitted(ROOM, b"{}")
        session.received(client_event(PRIVATE), now=1)
        session.received(subscribe("a"), now=1)
        return session


@pytest.fixture
def sessions(app: App, settings: GatewaySettings, known: Verifier) -> Sessions:
    return Sessions(app, settings, known)


@pytest.mark.usefixtures("alone")
class TestSession:
    """Very many of them, in one process."""

    def test_tracked(self, sessions: Sessions) -> None:
        """
        The collector looks at one object of each, and at one more of a client in a channel.
        """
        sessions.used()
        before = len(gc.get_objects())

        greeted = [sessions.greeted() for _ in range(MANY)]
        subscribed = [joined(sessions.greeted(), PRIVATE) for _ in range(MANY)]

        assert len(gc.get_objects()) - before < (len(greeted) + 2 * len(subscribed)) * 1.01

    def test_no_cycles(self, sessions: Sessions) -> None:
        """
        It is gone when it is let go, without the collector, which is not told of its parts.
        """
        for _ in range(MANY):  # Whatever grows with the first of them has grown.
            sessions.used()
        tracemalloc.start()
        before = held()

        for _ in range(MANY):
            sessions.used()

        left = held() - before
        tracemalloc.stop()
        assert left < 20 * MANY
