"""Playing a conversation: each line in its turn, on a stage that has a server, or the core of one."""

import json
import re
import struct
import time
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from libs.common.control.commands import Command
from libs.common.policies.settings import ChannelPolicy
from services.gateway.settings import GatewaySettings
from tests.conformance.transcript import Conversation, Step
from tests.conformance.wording import is_alike, signed, spelled
from tests.support.clients.raw_client import BINARY, CLOSE, PING, PONG, TEXT, Frame

APP = App(
    id="1",
    key="app-key",
    secrets=(Secret("app-secret"), Secret("older-secret")),
    client_events=True,
    leave_grace=0.05,
)
GUARDS = (ChannelPolicy(app="1", pattern="guarded.{user_id}", allow="user.id == user_id"),)
VALID = 600.0  # Seconds for which commands are remembered.
PATH = "/app/app-key?protocol=7"
GREETING = "pusher:connection_established"

RESERVED = 0x3  # RFC 6455, 5.2: for frames that there are not.
_OPCODES = {
    "message": TEXT,
    "text": TEXT,
    "binary": BINARY,
    "close": CLOSE,
    "ping": PING,
    "pong": PONG,
    "reserved": RESERVED,
    "endless": TEXT,
}
_PATH = re.compile(r"(?P<path>\S+)(?: (?P<name>[A-Za-z-]+): (?P<value>\S+))?")
_SOCKET_ID = re.compile(r"[0-9]+\.[0-9]+")


class Stage(Protocol):
    """Where a conversation is played.  What is not as it should be is an AssertionError."""

    async def opens(self, name: str, path: str, headers: Mapping[str, str]) -> None:
        """Connect a client."""

    async def leaves(self, name: str) -> None:
        """Break off a client's connection."""

    async def says(self, name: str, frame: Frame) -> None:
        """Have a client send a frame; one that is not final in fragments of a byte each."""

    async def hears(self, name: str) -> Frame:
        """Return the next frame that a client gets."""

    async def heard_all(self, name: str, *, closed: bool) -> None:
        """See that a client got nothing else; `closed` is whether a Close frame was the last."""

    async def act(self, subject: str, verb: str, text: str) -> None:
        """Do what no client does."""


def app_of(conversation: Conversation) -> App:
    """Return the app of a conversation."""
    return changed(APP, conversation.app)


def changed(app: App, fields: Mapping[str, Any]) -> App:
    """Return an app with other fields, of its limits those that are named."""
    limits = msgspec.structs.replace(app.limits, **fields.get("limits", {}))
    others = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
    return msgspec.structs.replace(app, **others | {"limits": limits})


def settings_of(conversation: Conversation) -> GatewaySettings:
    """Return the settings of a conversation's gateway."""
    return GatewaySettings(**conversation.gateway)  # Not converted: timers may be shorter here.


async def play(conversation: Conversation, stage: Stage) -> None:
    """Play a conversation to its end."""
    player = Player(app_of(conversation), stage)
    for step in conversation.steps:
        try:
            await player.take(step)
        except Exception as error:
            error.add_note(f"{conversation.file}.txt:{step.line}: {step.actor} {step.text}")
            raise
    await player.end()


def order_of(verb: str, app_id: str, text: str) -> Command:
    """Make the order of a line such as ``@ backend expels 7 private-x``; of now."""
    user, *channels = text.split()
    now = time.time()
    return Command(verb.removesuffix("s"), app_id, user, now, now + VALID, channels=tuple(channels))


class Player:
    """
    Takes the lines of one conversation.

    Args:
        app: Whose tokens are made.
        stage: Where it is played.
    """

    def __init__(self, app: App, stage: Stage) -> None:
        self._app = app
        self._stage = stage
        self._socket_ids: dict[str, str] = {}
        self._present: dict[str, bool] = {}  # Whether each client's last frame was a Close.
        self._waiting: tuple[str, Frame] | None = None  # Read, and not one of "any number".

    async def take(self, step: Step) -> None:
        """Play a line."""
        match step.kind, step.word:
            case "@", "opens":
                await self._open(step.actor, step.text)
            case "@", "leaves":
                del self._present[step.actor]
                await self._stage.leaves(step.actor)
            case "@", verb:
                text = spelled(step.text, step.actor, self._socket_ids)
                await self._stage.act(step.actor, verb, text)
            case ">", _:
                await self._meet(step.actor)
                await self._stage.says(step.actor, self._frame(step))
            case _:
                await self._meet(step.actor)
                await self._hear(step)

    async def end(self) -> None:
        """See that everybody heard all."""
        assert self._waiting is None, f"not expected: {self._waiting}"
        for name, closed in self._present.items():
            await self._stage.heard_all(name, closed=closed)

    async def _open(self, name: str, text: str) -> None:
        found = _PATH.fullmatch(spelled(text, name, self._socket_ids))
        assert found, text
        self._present[name] = False
        self._socket_ids.pop(name, None)
        headers = {found["name"]: found["value"]} if found["name"] else {}
        await self._stage.opens(name, found["path"], headers)

    async def _meet(self, name: str) -> None:
        """Have a client connected and greeted, if it is not."""
        if name not in self._present:
            await self._open(name, PATH)
            frame = await self._next(name)
            assert name in self._socket_ids, f"not greeted: {frame}"

    def _frame(self, step: Step) -> Frame:
        payload: bytes
        match step.word:
            case "text":
                payload = bytes.fromhex(step.text)
            case "close":
                payload = struct.pack("!H", int(step.text))
            case _:
                text = spelled(step.text, step.actor, self._socket_ids)
                payload = signed(text, self._app, step.actor, self._socket_ids).encode()
        return Frame(_OPCODES[step.word], payload, final=step.word != "endless")

    async def _hear(self, step: Step) -> None:
        frame = await self._next(step.actor)
        if step.kind == "*":
            while self._is_expected(step, frame):
                frame = await self._next(step.actor)
            self._waiting = step.actor, frame
            return
        assert self._is_expected(step, frame), f"{step.actor} heard {frame}"
        if frame.opcode == CLOSE:
            self._present[step.actor] = True

    async def _next(self, name: str) -> Frame:
        if self._waiting is not None:
            (whose, frame), self._waiting = self._waiting, None
            assert whose == name, f"{whose} heard {frame}"
            return frame
        frame = await self._stage.hears(name)
        self._note_name(name, frame)
        return frame

    def _note_name(self, name: str, frame: Frame) -> None:
        """Learn a connection's name from its greeting."""
        if name in self._socket_ids or frame.opcode != TEXT:
            return
        message = json.loads(frame.payload)
        if message["event"] == GREETING:
            socket_id = json.loads(message["data"])["socket_id"]
            assert _SOCKET_ID.fullmatch(socket_id), socket_id
            self._socket_ids[name] = socket_id

    def _is_expected(self, step: Step, frame: Frame) -> bool:
        assert frame.final, frame
        if frame.opcode != _OPCODES[step.word]:
            return False
        match step.word:
            case "message":
                expected = spelled(step.text, step.actor, self._socket_ids)
                return is_alike(json.loads(expected), json.loads(frame.payload))
            case "close":
                return frame.code == int(step.text)
        return frame.payload.decode() == step.text
