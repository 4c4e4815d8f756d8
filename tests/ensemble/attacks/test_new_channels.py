"""
Strangers who join and leave channels as fast as they are answered: Redis has no more of it than the rates allow.

Others do not wait for them, nobody is refused, and in the end all that they asked for is answered.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis.asyncio

from tests.support.clients import pusher
from tests.support.clients.raw_client import PING, PONG, RawClient
from tests.support.deployments.fleet import APP, said
from tests.support.deployments.siege import PATH, Siege, besieged
from tests.support.fakes.webhook_receiver import receiver

MANY, ROUNDS = 4, 100  # Strangers, and how often each joins and leaves, if it is let.
BURST, RATE = 80, 4  # What one address may, or all of them if each is held by itself.
MOST = MANY * ROUNDS / 2  # The rate would have to be kept up for 30 s for so many.
LOBBY = "presence-lobby"
ELSEWHERE = {"X-Forwarded-For": "192.0.2.66"}  # Where the others are not.
_USUAL = {"FANFARE_SERVER_TRUSTED_PROXIES": "127.0.0.0/8", "FANFARE_EGRESS_ALLOW": "127.0.0.0/8"}
ADDRESS = _USUAL | {
    "FANFARE_GATEWAY_NEW_CHANNELS_PER_ADDRESS": str(RATE),
    "FANFARE_GATEWAY_NEW_CHANNELS_PER_ADDRESS_BURST": str(BURST),
}
CONNECTION = _USUAL | {
    "FANFARE_GATEWAY_SUBSCRIBES": str(RATE / MANY),
    "FANFARE_GATEWAY_SUBSCRIBES_BURST": str(BURST // MANY),
}
RULES = f"""
[apps.limits]
channels = {BURST // MANY - 1}

[[apps.webhooks]]
url = "{{}}"
batching = true
"""


@dataclass
class Stranger:
    """A socket whose client knows no more than the public key, or has a back end that lets it in."""

    name: str
    client: RawClient
    socket_id: str = ""
    joined: int = 0
    is_stopped: bool = False

    async def join_and_leave(self, channel: str) -> None:
        """Join and leave, as often as is wanted, or until it is stopped."""
        for number in range(ROUNDS):
            if self.is_stopped:
                return
            name = channel.format(name=self.name, number=number)
            await self.client.send(self._subscribe(name))
            await self._hear("pusher_internal:subscription_succeeded")
            self.joined += 1
            await self.client.send(pusher.unsubscribe(name))

    async def greeted(self) -> None:
        self.socket_id = (await self._hear("pusher:connection_established"))["socket_id"]

    async def is_served(self) -> None:
        await self.client.send(b"", PING)
        assert (await self.client.frame()).opcode == PONG

    def _subscribe(self, name: str) -> bytes:
        if name.startswith("presence-"):
            return pusher.subscribe_presence(APP, self.socket_id, name, user_id=self.name)
        return pusher.subscribe(name)

    async def _hear(self, event: str) -> dict[str, str]:
        while True:
            heard = pusher.read((await self.client.frame()).payload)
            assert heard["event"] not in {"pusher:error", "pusher:subscription_error"}
            if heard["event"] == event:
                data: dict[str, str] = heard["data"]
                return data


@asynccontextmanager
async def strangers(port: int) -> AsyncIterator[Sequence[Stranger]]:
    """Connect them, all from one address."""
    async with AsyncExitStack() as stack:
        found: list[Stranger] = []
        for number in range(MANY):
            client = await RawClient.connect(port, PATH, headers=ELSEWHERE)
            stack.callback(client.close)
            found.append(Stranger(f"s{number}", client))
            await found[-1].greeted()
        yield found


async def facts(url: str, directory: Path) -> int:
    """Count the facts that Redis was ever given to keep (`lifecycle/facts.lua`)."""
    (settings,) = directory.glob("*.toml")
    async with redis.asyncio.Redis.from_url(url) as client:
        keys = [key async for key in client.scan_iter(f"{settings.stem}:*lifecycle.heads*")]
        heads = [await client.hget(key, APP.id) for key in keys]
    return sum(int(head.split()[1]) for head in heads if head)


@pytest.mark.parametrize(
    "channel, rates",
    [("{name}.{number}", ADDRESS), ("{name}", ADDRESS), (LOBBY, ADDRESS), ("{name}", CONNECTION)],
    ids=["ever new", "the same", "members", "of one connection"],
)
async def test_joining_and_leaving(
    tmp_path: Path, redis_url: str, channel: str, rates: dict[str, str]
) -> None:
    """
    Ever new names, the same one again and again, and a room whose members are told each time.
    """
    async with (
        receiver() as hook,
        besieged(
            tmp_path, files=0, rules=RULES.format(hook.url), redis=redis_url, **rates
        ) as siege,
        strangers(siege.program.port) as crowd,
    ):
        await siege.bob.join(LOBBY, user="bob")
        floods = [asyncio.ensure_future(one.join_and_leave(channel)) for one in crowd]
        await siege.program.wait_until("held", lambda: are_held(siege, floods))
        kept = await facts(redis_url, tmp_path)
        for number in range(5):
            await siege.ann.join(f"private-ann.{number}")

        assert sum(one.joined for one in crowd) < MOST
        assert kept < 2 * MOST
        assert len(siege.bob.changes(LOBBY)) < 2 * MOST
        assert await waiting(siege) >= MANY - 1
        for one in crowd:
            one.is_stopped = True
        await asyncio.gather(*floods)
        for one in crowd:
            await one.is_served()
        assert len(said(siege.program, "subscribes.delayed")) == 1


async def waiting(siege: Siege) -> float:
    """Count the subscribes that wait for their turn."""
    return await siege.number("fanfare_queue_depth", queue="subscribes")


async def are_held(siege: Siege, floods: Sequence[asyncio.Future[None]]) -> bool:
    """Tell whether all of them wait, or have done all that they wanted."""
    return all(flood.done() for flood in floods) or await waiting(siege) == MANY
