"""A served gateway as a stage: real connections, and every frame as it is on the wire."""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.bus.messages import Broadcast, Publication, event_frame
from libs.common.channels import Channel
from libs.common.control.commands import Command
from libs.common.control.memory import MemoryControl
from services.gateway.protocol.reader import CONTINUATION
from tests.conformance.play import changed, order_of
from tests.support.clients.raw_client import CLOSE, Frame, RawClient
from tests.support.services.gateway import Place

FLOOD = 100  # Events.
VALID = 60.0  # Seconds for which a command is remembered.
PING, PONG = b'{"event":"pusher:ping","data":{}}', b'{"event":"pusher:pong","data":"{}"}'


class Live:
    """
    A stage with a server.  See `play.Stage`.

    Args:
        place: The gateway.
        app: Its only app.
        apps: What it knows of apps.
        control: What gives it commands.
    """

    def __init__(self, place: Place, app: App, *, apps: MemoryApps, control: MemoryControl) -> None:
        self._place = place
        self._app = app
        self._apps = apps
        self._control = control
        self._clients: dict[str, RawClient] = {}
        self._draining: asyncio.Task[None] | None = None

    async def opens(self, name: str, path: str, headers: Mapping[str, str]) -> None:
        """See `play.Stage.opens`."""
        client = await RawClient.connect(self._place.port, path, headers=headers)
        self._clients[name] = client

    async def leaves(self, name: str) -> None:
        """See `play.Stage.leaves`."""
        self._clients.pop(name).close()

    async def says(self, name: str, frame: Frame) -> None:
        """See `play.Stage.says`."""
        if frame.final:
            await self._clients[name].send(frame.payload, frame.opcode)
            return
        for number, byte in enumerate(frame.payload):
            opcode = CONTINUATION if number else frame.opcode
            await self._clients[name].send(bytes([byte]), opcode, final=False)

    async def hears(self, name: str) -> Frame:
        """See `play.Stage.hears`.  A Close frame is answered, as clients must."""
        frame = await self._clients[name].frame()
        if frame.opcode == CLOSE:
            with suppress(ConnectionError):  # Who was not let in is not waited for.
                await self._clients[name].send(frame.payload[:2], CLOSE)
        return frame

    async def heard_all(self, name: str, *, closed: bool) -> None:
        """See `play.Stage.heard_all`."""
        client = self._clients[name]
        if closed:
            assert await client.rest() == b""
            return
        await client.send(PING)
        frame = await client.frame()
        assert frame.payload == PONG, f"{name} also heard {frame}"

    async def act(self, subject: str, verb: str, text: str) -> None:
        """See `play.Stage.act`."""
        match subject, verb:
            case "backend", "publishes" | "floods":
                name, event = text.split(" ", 1)
                publication = _publication(Channel(self._app.id, name), **json.loads(event))
                times = FLOOD if verb == "floods" else 1
                await self._place.bus.publish([publication] * times)
            case "backend", "terminates":
                now = time.time()
                await self._control.send(Command("terminate", self._app.id, text, now, now + VALID))
            case "backend", "revokes" | "expels":
                await self._control.send(order_of(verb, self._app.id, text))
            case "operator", "sets":
                self._app = changed(self._app, json.loads(text))
                self._apps.adopt([self._app])
            case "time", "passes":
                pass  # By itself; the gateway's timers are set to what is waited for.
            case "gateway", "drains":
                self._draining = asyncio.create_task(self._place.gateway.drain())
            case _:
                self._break(subject, verb)

    def _break(self, subject: str, verb: str) -> None:
        """Have something fail, or hesitate."""
        match subject, verb:
            case "bus", "hesitates":
                self._place.bus.follows.clear()
                self._place.roster.answers.clear()
            case "bus", "answers":
                self._place.bus.follows.set()
                self._place.roster.answers.set()
            case "bus", "forgets":
                self._place.bus.lose_data()
            case "tally", "fails":
                self._place.tally.is_away = True
            case _:
                raise AssertionError(f"{subject} {verb}: on core")

    async def leave(self) -> None:
        """Break off what is open still, and see what was begun to its end."""
        for client in self._clients.values():
            client.close()
        if self._draining is not None:
            await self._draining


def _publication(channel: Channel, *, name: str, data: str, socket_id: str = "") -> Publication:
    frame = event_frame(channel.name, name, data)
    return Publication(channel, Broadcast(frame, time.time(), (socket_id,) if socket_id else ()))
