"""Commands that concern very many connections: nobody else waits until all are closed or judged."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from libs.common.control.commands import Command
from libs.common.control.memory import MemoryControl
from libs.common.fairness.turns import TURN
from services.gateway.connections.commands import CommandHandler
from services.gateway.connections.connection import Connection
from services.gateway.protocol.effects import Shows
from tests.support.deadline import DEADLINE
from tests.support.tokens.channel_tokens import verifier

MANY = 5 * TURN


class Stub:
    """
    A connection as the handler knows it.

    Attributes:
        done: What was done with it.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self.is_open = True
        self.session = SimpleNamespace(
            app=SimpleNamespace(id="1"),
            user=SimpleNamespace(id="ann"),
            tokens=frozenset({"jti"}),
            known_as={"ann"},
            judged=lambda _: ["judged"],
            expelled=lambda *_: ["expelled"],
        )

    def close(self, code: int, _: str) -> None:
        self.done.append(str(code))

    def perform(self, effects: Sequence[str]) -> None:
        self.done += effects


class Crowd:
    """Connections of one user, and the handler that knows them."""

    def __init__(self) -> None:
        self.control = MemoryControl()
        self.handler = CommandHandler(self.control, verifier(), informed=lambda: None)
        self.stubs = [Stub() for _ in range(MANY)]
        for stub in self.stubs:
            connection = cast("Connection", stub)
            self.handler.signed_in(connection)
            self.handler.known_as(connection, "ann")
            self.handler.shows(connection, Shows(frozenset({"jti"})))

    @property
    def done(self) -> int:
        return sum(bool(stub.done) for stub in self.stubs)

    async def seen(self, *commands: Command, act: Callable[[], Any] = lambda: None) -> list[int]:
        """Give commands; tell how many were done with whenever somebody else had a turn."""
        seen: list[int] = []
        for command in commands:
            await self.control.send(command)
        async with asyncio.timeout(DEADLINE), running(self.handler):
            while self.done < sum(stub.is_open for stub in self.stubs):
                await asyncio.sleep(0)
                if self.done and self.done not in seen:
                    seen.append(self.done)
                    act()
        return seen


@asynccontextmanager
async def running(handler: CommandHandler) -> AsyncIterator[None]:
    task = asyncio.ensure_future(handler.run())
    try:
        yield
    finally:
        task.cancel()


def command(verb: str, kind: str = "user") -> Command:
    now, subject = time.time() + 1, "ann" if kind == "user" else "jti"
    return Command(verb, "1", subject, now, now + 60, kind=kind, channels=("*",))


class TestTurns:
    """After each hundred connections others have their turn."""

    @pytest.mark.parametrize(
        "verb, kind, done",
        [
            ("terminate", "user", "4009"),
            ("expel", "user", "expelled"),
            ("revoke", "user", "judged"),
            ("revoke", "jti", "judged"),
        ],
    )
    async def test_many(self, verb: str, kind: str, done: str) -> None:
        crowd = Crowd()

        seen = await crowd.seen(command(verb, kind))

        assert seen == [TURN, 2 * TURN, 3 * TURN, 4 * TURN, 5 * TURN]
        assert all(stub.done == [done] for stub in crowd.stubs)

    async def test_gone_meanwhile(self) -> None:
        """
        Nothing is done with a connection that has gone before its turn.
        """
        crowd = Crowd()

        def leave() -> None:
            for stub in crowd.stubs:
                stub.is_open = bool(stub.done)

        await crowd.seen(command("revoke"), act=leave)

        assert crowd.done == TURN
