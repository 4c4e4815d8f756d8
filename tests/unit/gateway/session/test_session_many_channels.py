"""A client in very many channels: what it does to one costs as much as it did among few."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest
from msgspec import structs

from libs.common.apps.app import App
from libs.common.apps.signatures import grant_token
from services.gateway.protocol.effects import Ask, Effect, Refuse, Shows, Watch
from services.gateway.session.session import Session
from services.gateway.settings import GatewaySettings
from tests.support.clients.pusher import subscribe, unsubscribe
from tests.support.tokens.channel_tokens import channel_token, verifier
from tests.unit.gateway.conftest import SOCKET_ID

FEW, MANY, SAMPLE = 20, 600, 20
EVERYWHERE = channel_token("ann", "*", now=0.0, ttl=600.0)[0]


class Work:
    """How many instructions the interpreter has worked on."""

    def __init__(self) -> None:
        self.done = 0

    def trace(self, frame: FrameType, _: str, __: Any) -> Callable[..., Any]:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self.count

    def count(self, _: FrameType, event: str, __: Any) -> Callable[..., Any]:
        self.done += event == "opcode"
        return self.count


@contextmanager
def counted() -> Iterator[Work]:
    work, before = Work(), sys.gettrace()
    sys.settrace(work.trace)
    try:
        yield work
    finally:
        sys.settrace(before)


def one_token(_: App, __: int) -> str:
    return EVERYWHERE


def a_token_each(_: App, number: int) -> str:
    return channel_token("ann", f"private-{number}", now=0.0, ttl=60.0 + number)[0]


def a_user_each(app: App, number: int) -> str:
    holder = json.dumps({"user_id": f"user-{number}", "iat": 0.0})
    return grant_token(app, SOCKET_ID, channel=f"private-{number}", holder=holder)


KINDS = [one_token, a_token_each, a_user_each]


class Client:
    """Subscribes as a client does; its gateway lets it in and looks at what it must."""

    def __init__(self, app: App, *, informed: bool = True) -> None:
        limits = structs.replace(app.limits, channels=0)
        self.app = structs.replace(app, limits=limits)
        known = verifier(informed=informed)
        self.session = Session(self.app, SOCKET_ID, GatewaySettings(), now=0.0, verifier=known)
        self.perform(self.session.opened())

    def perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Ask(channel, _):
                    self.session.admitted(channel, None)
                case Watch():
                    self.session.next_tick  # noqa: B018 - as the ticker does
                case Shows():
                    assert len(effect.came) + len(effect.went) <= 2

    def join(self, frames: list[bytes]) -> int:
        """Tell how much work it is."""
        with counted() as work:
            for frame in frames:
                self.perform(self.session.received(frame, 1.0))
        return work.done


def frames_of(app: App, kind: Callable[[App, int], str], start: int) -> list[bytes]:
    return [
        subscribe(f"private-{number}", auth=kind(app, number))
        for number in range(start, start + SAMPLE)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_joining(app: App, kind: Callable[[App, int], str]) -> None:
    """By one token, by a token for each channel, or by a grant of another user for each."""
    client = Client(app)
    client.join(frames_of(app, kind, 0))
    among_few = client.join(frames_of(app, kind, FEW))
    for start in range(2 * FEW, MANY, SAMPLE):
        client.join(frames_of(app, kind, start))

    assert client.join(frames_of(app, kind, MANY)) < 1.2 * among_few


def test_leaving_and_ending(app: App) -> None:
    """A channel that is left, and a token that ends, among many that stay."""
    few, many = Client(app), Client(app)
    for start in range(0, MANY, SAMPLE):
        many.join(frames_of(app, a_token_each, start))
    few.join(frames_of(app, a_token_each, 0))
    work = []
    for client in (few, many):
        client.session.heard(500.0)
        with counted() as done:
            client.session.received(unsubscribe("private-3"), 500.0)
            ended = client.session.ticked(client.session.next_tick)
        assert [effect.channel for effect in ended if isinstance(effect, Refuse)] == ["private-0"]
        work.append(done.done)

    assert work[1] < 1.2 * work[0]


def test_waiting(app: App) -> None:
    """What waits until its gateway knows what is revoked."""
    client = Client(app, informed=False)
    client.join(frames_of(app, one_token, 0))
    among_few = client.join(frames_of(app, one_token, FEW))
    for start in range(2 * FEW, MANY, SAMPLE):
        client.join(frames_of(app, one_token, start))

    assert client.join(frames_of(app, one_token, MANY)) < 1.2 * among_few
