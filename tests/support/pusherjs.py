"""
Stock pusher-js under Node, driven from Python.

A `Driver` is one Node process with any number of clients; what they see is kept in order and waited for.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

DRIVER = Path(__file__).parents[1] / "clients" / "driver.mjs"
TIMEOUT = 15.0  # Seconds; pusher-js itself waits up to 15 for some things.

Seen = dict[str, Any]


class Driver:
    """One Node process with pusher-js."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._seen: list[Seen] = []
        self._more = asyncio.Condition()

    async def read(self) -> None:
        """Collect what clients see until the process ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._more:
                self._seen.append(json.loads(line))
                self._more.notify_all()

    def say(self, do: str, **words: Any) -> None:
        """Give a command; see driver.mjs."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **words}).encode() + b"\n")

    def seen(self, **words: Any) -> list[Seen]:
        """Return what was seen so far that has these words, in order."""
        return [item for item in self._seen if words.items() <= item.items()]

    async def wait(self, count: int = 1, **words: Any) -> list[Seen]:
        """Wait until at least so many things with these words were seen, and return all of them."""
        return await self.wait_until(
            lambda: found if len(found := self.seen(**words)) >= count else []
        )

    async def wait_until(self, judge: Callable[[], list[Seen]]) -> list[Seen]:
        """Wait until a judgement of what was seen is not empty, and return it."""
        async with self._more:
            try:
                async with asyncio.timeout(TIMEOUT):
                    await self._more.wait_for(judge)
            except TimeoutError:
                raise AssertionError(
                    f"not seen in time; the last were {self._seen[-10:]}"
                ) from None
        return judge()

    async def connect(self, client: str, key: str, **options: Any) -> str:
        """Connect a client, and return its socket id."""
        self.say("connect", client=client, key=key, options=options)
        (*_, last) = await self.wait(client=client, state="connected")
        return str(last["socket_id"])

    async def subscribe(self, client: str, channel: str) -> Any:
        """Subscribe a client, and return what it was told on success."""
        self.say("subscribe", client=client, channel=channel)
        succeeded = "pusher:subscription_succeeded"
        (*_, last) = await self.wait(client=client, channel=channel, event=succeeded)
        return last["data"]

    def events(self, client: str, channel: str) -> list[tuple[str, Any]]:
        """Return the events that a client saw on a channel, without the protocol's own."""
        return [
            (item["event"], item["data"])
            for item in self.seen(client=client, channel=channel)
            if not item["event"].startswith("pusher")
        ]

    async def wait_for_events(self, client: str, channel: str, count: int) -> list[tuple[str, Any]]:
        """Wait for so many events on a channel, and return them in order."""
        await self.wait_until(
            lambda: self.seen() if len(self.events(client, channel)) >= count else []
        )
        return self.events(client, channel)


@asynccontextmanager
async def driver() -> AsyncIterator[Driver]:
    """Start Node, and end it with the context."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(DRIVER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    node = Driver(process)
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(node.read())
        try:
            await node.wait(ready=True)
            yield node
        finally:
            process.kill()
            await process.wait()
            reading.cancel()


def options(host: str, port: int, *, bearer: str | None = None, **more: Any) -> dict[str, Any]:
    """Return pusher-js's options for a deployment at this address."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return {
        "cluster": "",
        "wsHost": host,
        "wsPort": port,
        "forceTLS": False,
        "enabledTransports": ["ws"],
        "channelAuthorization": {
            "endpoint": f"http://{host}:{port}/broadcasting/auth",
            "headers": headers,
        },
        "userAuthentication": {
            "endpoint": f"http://{host}:{port}/broadcasting/user-auth",
            "headers": headers,
        },
        **more,
    }
