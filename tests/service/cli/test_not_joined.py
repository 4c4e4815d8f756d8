"""What is said where a gateway greets, and then lets nobody join: its bus is away."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from libs.common.apps.app import App
from libs.common.config.address import Address
from libs.common.config.secret import Secret
from libs.common.web.listeners import listening
from services.cli.trial import Failed, Trial
from tests.support.deployments.commands import Outcome, command

LOOPBACK = (Address("127.0.0.1", 0),)
APP = App(id="1", key="k", secrets=(Secret("s" * 32),))
STARTING = {"error": "starting: waits for bus"}


@asynccontextmanager
async def greeting(status: int, up: object) -> AsyncIterator[tuple[str, list[int | None]]]:
    """Run a gateway that greets and answers nothing; yields its URL, and how clients left."""
    codes: list[int | None] = []

    async def greet(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        data = json.dumps({"socket_id": "1.1", "activity_timeout": 120})
        await socket.send_json({"event": "pusher:connection_established", "data": data})
        async for _ in socket:
            pass
        codes.append(socket.close_code)
        return socket

    async def tell(_: web.Request) -> web.Response:
        return web.json_response(up, status=status)

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": "you may not"}, status=403)

    app = web.Application()
    auth = web.post("/broadcasting/auth", refuse)
    app.add_routes([web.get("/app/{key}", greet), web.get("/up", tell), auth])
    async with listening(app, LOOPBACK) as (bound,):
        yield f"http://{bound}", codes


async def listened(file: Path, url: str) -> Outcome:
    file.write_text(f'[[apps]]\nid = "1"\nkey = "k"\nsecrets = ["{"s" * 32}"]\n')
    words = ("listen", "news", "--timeout", "0.3", "--url", url)
    return await command(*words, config=file, environ={})


class TestListen:
    """`fanfare listen`."""

    @pytest.mark.parametrize(
        "status,up,said",
        [
            (503, STARTING, "/up answered 503: starting: waits for bus"),
            (
                200,
                {},
                "/health/deps of its internal address, and backend.lost in its log, may tell why",
            ),
            (200, "odd", "/health/deps of its internal address"),
        ],
    )
    async def test_not_joined(self, tmp_path: Path, status: int, up: object, said: str) -> None:
        """Who never joined has not listened: the exit status is 1, and what is known is said."""
        async with greeting(status, up) as (url, _):
            outcome = await listened(tmp_path / "fanfare.toml", url)

        assert (outcome.status, outcome.output) == (1, "")
        assert outcome.complaint.startswith("fanfare: not joined within 0.3 s: news; ")
        assert said in outcome.complaint


class TestTrial:
    """`fanfare test`."""

    async def test_not_joined(self) -> None:
        """It says what the deployment says of itself."""
        async with greeting(503, STARTING) as (url, codes), aiohttp.ClientSession() as http:
            journey = Trial(http, url, app=APP, channel="c", bearer=None, step_timeout=0.3)

            with pytest.raises(Failed) as raised:
                await journey.run()

        assert codes == [1000]  # It says that it goes.
        said = f"subscribe: no answer within 0.3 s; {url}/up answered 503: starting: waits for bus"
        assert str(raised.value) == said

    async def test_refused(self) -> None:
        """Whom auth refuses is told which command says why."""
        async with greeting(503, STARTING) as (url, _), aiohttp.ClientSession() as http:
            journey = Trial(http, url, app=APP, channel="private-user.8", bearer="token of 7")

            with pytest.raises(Failed) as raised:
                await journey.run()

        assert str(raised.value) == (
            "authorise: answered 403: you may not; "
            "fanfare explain --user ID --channel private-user.8 says why"
        )
