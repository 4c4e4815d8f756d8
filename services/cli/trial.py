"""
Test a running deployment: connect, authorise or sign in, subscribe, publish, receive.

Each step is printed with the time that it took.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import msgspec

from libs.common.apps.app import App
from libs.common.channels import Kind, kind_of
from libs.common.errors import Misconfigured
from libs.common.policies.guards import Guards
from services.cli import client, token
from services.settings import Settings

EVENT = "fanfare-test"
STEP_TIMEOUT = 10.0  # Seconds.
# Seconds that the gateway may take to answer a Close frame.
CLOSE_TIMEOUT = aiohttp.ClientWSTimeout(ws_close=1.0)

Step = Callable[[], Awaitable[None]]


class Failed(Exception):
    """A step went wrong."""


class Trial:
    """
    One journey of one client.

    Args:
        http: Sends all requests.
        url: Where the deployment is.
        app: The app of the client.
        channel: What to subscribe to.
        bearer: A token (JWT) for the auth endpoints; None: they are not asked, which does for
            public channels that no policy guards.
        step_timeout: Seconds that a step may take.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        *,
        app: App,
        channel: str,
        bearer: str | None,
        step_timeout: float = STEP_TIMEOUT,
    ) -> None:
        self._http = http
        self._url = url
        self._app = app
        self._channel = channel
        self._bearer = bearer
        self._step_timeout = step_timeout
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._socket_id = ""
        self._auth: dict[str, Any] = {}
        self._mark = msgspec.json.encode({"at": time.time()}).decode()

    async def run(self) -> None:
        """Take each step, and print how long it took; raises `Failed` where one goes wrong."""
        try:
            for name, step in self._steps():
                await self._take(name, step)
        finally:
            if self._socket is not None:
                await self._socket.close()

    async def _take(self, name: str, step: Step) -> None:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._step_timeout):
                await step()
        except TimeoutError as error:  # Before the others: some of aiohttp's own are both.
            raise Failed(await self._unanswered(name)) from error
        except (Failed, client.OddAnswer) as error:
            raise Failed(f"{name}: {error}") from error
        except (client.Refused, aiohttp.ClientError) as error:
            raise Failed(f"{name}: {self._worded(error, name)}") from error
        print(f"{name:<10} {1000 * (time.perf_counter() - began):8.1f} ms")

    def _worded(self, error: client.Refused | aiohttp.ClientError, name: str) -> str:
        reason = client.worded(error, self._url, self._app)
        if name == "authorise" and isinstance(error, client.Refused) and error.status == 403:
            reason += f"; fanfare explain --user ID --channel {self._channel} says why"
        return reason

    async def _unanswered(self, name: str) -> str:
        said = f"{name}: no answer within {self._step_timeout:g} s"
        if self._socket is None:  # Nobody may be there at all.
            return said
        return f"{said}; {await client.standing(self._http, self._url)}"

    def _steps(self) -> Iterator[tuple[str, Step]]:
        yield "connect", self._connect
        if self._bearer is not None and kind_of(self._channel) is Kind.PUBLIC:
            yield "sign in", self._sign_in
        elif self._bearer is not None:
            yield "authorise", self._authorise
        yield "subscribe", self._subscribe
        yield "publish", self._publish
        yield "receive", self._receive

    async def _connect(self) -> None:
        address = f"{self._url}/app/{self._app.key}?protocol=7&client=fanfare&version=1"
        self._socket = await self._http.ws_connect(address, timeout=CLOSE_TIMEOUT)
        greeting = await self._next("pusher:connection_established")
        self._socket_id = msgspec.json.decode(greeting["data"])["socket_id"]

    async def _authorise(self) -> None:
        self._auth = await self._asked("auth", channel_name=self._channel)

    async def _sign_in(self) -> None:
        data = await self._asked("user-auth")
        await self._live().send_json({"event": "pusher:signin", "data": data})
        await self._next("pusher:signin_success")

    async def _asked(self, endpoint: str, **fields: str) -> dict[str, Any]:
        """Ask one of the endpoints for clients."""
        form = {"socket_id": self._socket_id, **fields}
        headers = {"Authorization": f"Bearer {self._bearer}"}
        address = f"{self._url}/broadcasting/{endpoint}?app_key={self._app.key}"
        async with self._http.post(address, data=form, headers=headers) as response:
            if response.status != 200:
                raise client.Refused(response.status, await response.text())
            answer: dict[str, Any] = await response.json()
            return answer

    async def _subscribe(self) -> None:
        data = {"channel": self._channel, **self._auth}
        await self._live().send_json({"event": "pusher:subscribe", "data": data})
        await self._next("pusher_internal:subscription_succeeded")

    async def _publish(self) -> None:
        payload = {"name": EVENT, "channel": self._channel, "data": self._mark}
        path = f"/apps/{self._app.id}/events"
        await client.post(self._http, self._url, self._app, path=path, payload=payload)

    async def _receive(self) -> None:
        while (await self._next(EVENT))["data"] != self._mark:
            pass

    def _live(self) -> aiohttp.ClientWebSocketResponse:
        if self._socket is None:
            raise Failed("not connected")
        return self._socket

    async def _next(self, event: str) -> dict[str, Any]:
        """Wait for an event; an error that comes instead ends the journey."""
        while True:
            message = await self._live().receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise Failed(f"the connection was closed with {self._live().close_code}")
            frame = client.frame_of(message.data)
            if frame["event"] == event:
                return frame
            if frame["event"] in {"pusher:error", "pusher:subscription_error"}:
                raise Failed(client.refusal_in(frame["data"]))


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "--channel", default="fanfare-test", help="what to subscribe to (default: fanfare-test)"
    )
    parser.add_argument(
        "--user",
        help="authorise, or sign in where the channel is public, as this user, "
        "at the deployment's own auth endpoints",
    )
    parser.add_argument(
        "--claim", action="append", default=[], metavar="NAME=VALUE", help="see fanfare token"
    )
    client.configure(parser)


def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Make the journey; the exit status is 1 where it does not arrive."""
    app = client.app_of(settings, arguments.app)
    _check(arguments, settings, app)
    try:
        asyncio.run(_run(arguments, settings, app))
    except Failed as error:
        print(f"fanfare: {error}", file=sys.stderr)
        return 1
    return 0


def _check(arguments: argparse.Namespace, settings: Settings, app: App) -> None:
    if arguments.user is not None:
        return
    channel: str = arguments.channel
    if kind_of(channel) is not Kind.PUBLIC:
        raise Misconfigured(
            f"--channel {channel[:64]} needs --user: who joins it must be authorised"
        )
    if Guards(settings.channels).has(app.id, channel):
        raise Misconfigured(f"--channel {channel[:64]} needs --user: a policy guards it")


async def _run(arguments: argparse.Namespace, settings: Settings, app: App) -> None:
    bearer = None
    if arguments.user is not None:
        claims = token.claims_of(arguments.claim)
        bearer = token.make(settings, arguments.user, ttl=300.0, claims=claims)
    async with aiohttp.ClientSession(timeout=client.TIMEOUT) as http:
        url = client.public_url(settings, arguments.url)
        await Trial(http, url, app=app, channel=arguments.channel, bearer=bearer).run()
