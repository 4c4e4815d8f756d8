"""Channel tokens at gateways that hear no commands for a while, or none yet."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from libs.common.control.commands import Command
from libs.common.control.memory import MemoryControl
from libs.common.control.port import CommandListener
from libs.common.errors import Unavailable
from tests.support.clients import pusher
from tests.support.clients.client import SUCCEEDED
from tests.support.clients.token_clients import PRIVATE, command, expect_refusal, issued, join
from tests.support.services.gateway import QUICK, place, until


class Distant:
    """
    The way of one gateway to control, which may be broken.

    Attributes:
        is_away: Whether it is; what came meanwhile comes when it is not.
        refusals: How many looks found it so.
    """

    def __init__(self, inner: MemoryControl) -> None:
        self._inner = inner
        self.is_away = False
        self.refusals = 0
        self._listener: CommandListener | None = None
        self._held: list[Command] = []

    async def check(self) -> None:
        """See `Control.check`."""

    async def send(self, command: Command, *, most: int = 0) -> None:
        """See `Control.send`."""
        await self._inner.send(command, most=most)

    async def check_room(self, app: str, verb: str, *, most: int) -> None:
        """See `Control.check_room`."""
        await self._inner.check_room(app, verb, most=most)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator["Distant"]:
        """See `Control.listen`."""
        async with self._inner.listen() as self._listener:
            yield self

    async def receive(self, timeout: float) -> list[Command]:
        """See `CommandListener.receive`."""
        assert self._listener is not None
        if not self.is_away:
            self._held += await self._listener.receive(timeout)
        if self.is_away:  # Also if it broke while we waited.
            self.refusals += 1
            raise Unavailable("control")
        commands, self._held = self._held, []
        return commands


class TestControlAway:
    """A gateway that hears no commands for a while."""

    @pytest.mark.parametrize("verb", ["revoke", "expel"])
    async def test_back(self, verb: str) -> None:
        """It obeys when it is back: what it let in is withdrawn, and what is presented refused."""
        control = MemoryControl()
        distant = Distant(control)
        text, _ = issued()
        async with place(control=distant) as here:
            ann = await here.connect()
            distant.is_away = True
            await control.send(command(verb, "ann", "*"))
            await join(ann, text, PRIVATE)
            await until(lambda: distant.refusals > 0)

            distant.is_away = False

            status = 401 if verb == "revoke" else 403
            assert await expect_refusal(ann, PRIVATE) == status
            await ann.send(pusher.subscribe(PRIVATE, auth=text))
            assert await expect_refusal(ann, PRIVATE) == status


class TestBegun:
    """A gateway that has just begun, and has not heard yet what is revoked."""

    async def test_revoked(self) -> None:
        """A token that was revoked before opens nothing there."""
        control = MemoryControl()
        text, token = issued()
        await control.send(command("revoke", token.jti, kind="jti"))
        async with place(control=control) as here:
            ann = await here.connect()
            await ann.send(pusher.subscribe(PRIVATE, auth=text))
            assert await expect_refusal(ann, PRIVATE) == 401
            bob = await here.open(f"/app/app-key?protocol=7&token={text}")
            await bob.expect_error(4009)

    async def test_control_away(self) -> None:
        """Who shows a token waits as long as control is away, and loses nothing; public channels are open."""
        distant = Distant(MemoryControl())
        distant.is_away = True
        async with place(control=distant) as here:
            ann = await here.connect()
            await ann.send(pusher.subscribe(PRIVATE, auth=issued()[0]))
            await ann.send(json.dumps({"event": "pusher:signin", "data": {"auth": issued()[0]}}))
            await ann.subscribe("news")

            distant.is_away = False

            assert await ann.expect("pusher:signin_success")
            await ann.expect(SUCCEEDED, PRIVATE)

    async def test_carried(self) -> None:
        """Who connects with one waits for a while, and is then told to come back."""
        distant = Distant(MemoryControl())
        distant.is_away = True
        path = f"/app/app-key?protocol=7&token={issued()[0]}"
        async with place(control=distant, timers=replace(QUICK, informed=0.05)) as here:
            client = await here.open(path)
            await client.expect_error(4100)
            assert await client.expect_close() == 4100

            distant.is_away = False
            await until(lambda: here.gateway.state().is_informed)

            ann = await here.connect(path)
            await join(ann, "", PRIVATE)
