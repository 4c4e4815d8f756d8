"""
Stock pusher-js and Laravel Echo under Node, Pusher's SDK for Node and its client for Java, driven from Python.

A `Driver` is one process with any number of clients; what they see is kept in order and waited for.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.deadline import DEADLINE
from tests.support.programs import PUSHER_JAVA, find_program
from tests.support.servers.packages import classpath

DRIVER = Path(__file__).parents[2] / "clients" / "driver.mjs"
JAVA_DRIVER = DRIVER.parent / "java" / "Driver.java"

Seen = dict[str, Any]


class Driver:
    """One process of Node, or of Java."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._asked = 0
        self._has_ended = False
        self._seen: list[Seen] = []
        self._more = asyncio.Condition()

    async def read(self) -> None:
        """Collect what clients see until the process ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._more:
                self._seen.append(json.loads(line))
                self._more.notify_all()
        async with self._more:
            self._has_ended = True
            self._more.notify_all()

    def say(self, do: str, **words: Any) -> None:
        """Give a command; see driver.mjs."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **words}).encode() + b"\n")

    async def ask(self, do: str, **words: Any) -> Seen:
        """Give a command that is answered, and return the answer."""
        self._asked += 1
        number = self._asked
        self.say(do, id=number, **words)
        (answer,) = await self.wait(id=number)
        return answer

    async def do(self, do: str, **words: Any) -> None:
        """Give a command, and wait until it was begun: what is bound by it misses nothing after."""
        self._asked += 1
        number = self._asked
        self.say(do, number=number, **words)
        await self.wait(done=number)

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
                async with asyncio.timeout(DEADLINE):
                    await self._more.wait_for(lambda: judge() or self._has_ended)
            except TimeoutError:
                raise AssertionError(
                    f"not seen in time; the last were {self._seen[-10:]}"
                ) from None
        assert not self._has_ended, "the driver has ended; its standard error says why"
        return judge()

    async def connect(
        self,
        client: str,
        key: str,
        *,
        backend: str = "",
        member: Any = None,
        token: str = "",
        **options: Any,
    ) -> str:
        """
        Connect a client, and return its socket id.

        Args:
            client: Its name.
            key: The app's.
            backend: The name of a back end in Node that signs for it; empty: it asks as its options say.
            member: As whom that back end lets it join presence channels and sign in.
            token: A channel token that it shows for every channel instead of asking; with it `member` is only what
                pusher-js wants to know of itself.
            options: pusher-js's.
        """
        words = {"options": options, "backend": backend, "member": member, "token": token}
        self.say("connect", client=client, key=key, **words)
        return await self._connected(client)

    async def echo(
        self, client: str, options: dict[str, Any], *, backend: str = "", member: Any = None
    ) -> str:
        """Connect a page with Laravel Echo, and return its socket id; see `connect`."""
        self.say("echo", client=client, options=options, backend=backend, member=member)
        return await self._connected(client)

    async def enter(
        self,
        client: str,
        kind: str,
        channel: str,
        *,
        events: Sequence[str] = (),
        whispers: Sequence[str] = (),
    ) -> Seen:
        """
        Let a page with Laravel Echo enter a channel.

        Args:
            client: Its name.
            kind: Echo's method: ``channel``, ``private``, ``encryptedPrivate`` or ``join``.
            channel: The name without prefix.
            events: Those to which it listens from the beginning.
            whispers: Those for which it does.

        Returns:
            What the page was told on success: for ``join`` who is here.
        """
        words = {"kind": kind, "channel": channel, "events": events, "whispers": whispers}
        self.say("enter", client=client, **words)
        await self.wait(client=client, channel=channel, subscribed=True)
        if kind != "join":
            return {}
        return (await self.wait_for("here", client=client, channel=channel))[-1]

    async def subscribe(self, client: str, channel: str) -> Any:
        """Subscribe a client, and return what it was told on success."""
        self.say("subscribe", client=client, channel=channel)
        succeeded = "pusher:subscription_succeeded"
        (*_, last) = await self.wait(client=client, channel=channel, event=succeeded)
        return last["data"]

    async def wait_for(self, word: str, count: int = 1, **words: Any) -> list[Seen]:
        """Wait until so many things with these words and another one were seen; return all of them."""

        def judge() -> list[Seen]:
            found = [item for item in self.seen(**words) if word in item]
            return found if len(found) >= count else []

        return await self.wait_until(judge)

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

    async def _connected(self, client: str) -> str:
        (*_, last) = await self.wait(client=client, state="connected")
        return str(last["socket_id"])


@asynccontextmanager
async def driver(authority: Path | None = None) -> AsyncIterator[Driver]:
    """
    Start Node, and end it with the context.

    Args:
        authority: A certificate's authority that Node trusts beside those it knows.
    """
    trusted = {"NODE_EXTRA_CA_CERTS": str(authority)} if authority else {}
    async with _driven(["node", str(DRIVER)], {**os.environ, **trusted}) as node:
        yield node


@asynccontextmanager
async def java_driver() -> AsyncIterator[Driver]:
    """
    Start Java with Pusher's client, and end it with the context.

    Of the commands it knows ``connect`` with options of the connection and ``channelAuthorization``, ``subscribe``
    and ``unsubscribe``.

    Raises:
        MissingProgram: There is no Java that is new enough.
        MissingJars: The client has not been fetched.
    """
    java = find_program("javac").resolve().parent / "java"  # The one that can run a source file.
    command = [str(java), "-cp", classpath(PUSHER_JAVA), str(JAVA_DRIVER)]
    async with _driven(command, dict(os.environ)) as running:
        yield running


@asynccontextmanager
async def _driven(command: list[str], environ: dict[str, str]) -> AsyncIterator[Driver]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
        env=environ,
    )
    running = Driver(process)
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(running.read())
        try:
            await running.wait(ready=True)
            yield running
        finally:
            if process.returncode is None:
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


def echo_options(
    host: str, port: int, *, broadcaster: str, key: str, bearer: str | None = None
) -> dict[str, Any]:
    """
    Return Laravel Echo's options, as Laravel's own set-up writes them.

    Args:
        host: Of the deployment.
        port: Of the deployment.
        broadcaster: ``reverb`` or ``pusher``; the second wants a cluster, and does not use it.
        key: The app's.
        bearer: The user's token.
    """
    cluster = {"cluster": "mt1"} if broadcaster == "pusher" else {}
    return {
        "broadcaster": broadcaster,
        "key": key,
        **cluster,
        "wsHost": host,
        "wsPort": port,
        "wssPort": port,
        "forceTLS": False,
        "enabledTransports": ["ws", "wss"],
        "authEndpoint": f"http://{host}:{port}/broadcasting/auth",
        # Echo keeps its defaults in one place, and writes the token into them: each page needs its own.
        "auth": {"headers": {}},
        "userAuthentication": {
            "endpoint": f"http://{host}:{port}/broadcasting/user-auth",
            "headers": {},
        },
        "bearerToken": bearer,
    }
