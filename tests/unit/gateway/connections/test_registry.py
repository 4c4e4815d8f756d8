"""The connections of a gateway: who is told, and when there is none."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from services.gateway.connections.registry import Connections
from services.gateway.protocol.effects import Ping
from tests.support.deadline import DEADLINE


class Client:
    """A connection whose session is its name, and which remembers what it performed."""

    def __init__(self, name: str, performing: Callable[[], object] = lambda: None) -> None:
        self.session = name
        self.performed: list[Any] = []
        self._performing = performing

    def perform(self, effects: Iterable[Any]) -> None:
        """Remember them."""
        self.performed += effects
        self._performing()


@pytest.fixture
def connections() -> Any:
    return Connections()


async def gone(connections: Connections) -> None:
    async with asyncio.timeout(DEADLINE):
        await connections.emptied()


class TestConnections:
    """Who is here."""

    async def test_tell(self, connections: Any) -> None:
        """Each session is told once, and its connection performs what it answers."""
        clients = [Client("a"), Client("b")]
        for client in clients:
            connections.add(client)
        told: list[str] = []

        def event(session: str, _now: float) -> list[Ping]:
            told.append(session)
            return [Ping()]

        connections.tell(event)

        assert sorted(told) == ["a", "b"]
        assert [client.performed for client in clients] == [[Ping()], [Ping()]]

    async def test_goes_meanwhile(self, connections: Any) -> None:
        """Who goes because of what it performs disturbs nobody else."""
        clients: list[Client] = []
        for name in "abc":
            client = Client(name, lambda: [connections.remove(each) for each in clients])
            clients.append(client)
            connections.add(client)

        connections.tell(lambda *_: [Ping()])

        assert [client.performed for client in clients] == [[Ping()]] * 3
        assert len(connections) == 0

    async def test_emptied(self, connections: Any) -> None:
        """There is none at first, and again when the last has gone; one may be removed twice."""
        await gone(connections)
        one, other = Client("a"), Client("b")
        connections.add(one)
        connections.add(other)
        waiting = asyncio.ensure_future(gone(connections))

        connections.remove(one)
        connections.remove(one)
        await asyncio.sleep(0)
        assert not waiting.done()
        connections.remove(other)

        await waiting
