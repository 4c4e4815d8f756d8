"""docs/auth.md, "Showing a channel token": how long one may be."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from libs.common.tokens.key_ring import MAX_TOKEN
from tests.support.clients import pusher
from tests.support.clients.back_ends import back_end
from tests.support.clients.visitors import visitors
from tests.support.deployments.program import ROOT, Program, program

APP = App(id="1", key="app-key", secrets=(Secret("app-secret"),))
LONGEST = 8190  # Bytes of path and query together.


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Program]:
    config = ROOT / "deploy" / "dev.toml"
    async with program(config=config, log=tmp_path / "log") as started:
        yield started


def target(length: int) -> str:
    """Return path and query of a connection with a token of nonsense, which have this length together."""
    start = "/app/app-key?protocol=7&client=js&version=8.4.0&token="
    return start + "a" * (length - len(start))


async def test_at_connect(running: Program) -> None:
    """
    To the last byte a client is told what is wrong with its token; with one more it gets HTTP 400 and no socket.
    """
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(running.url + target(LONGEST)) as socket:
            assert (await socket.receive_json())["data"]["code"] == 4009
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(running.url + target(LONGEST + 1))

    assert refused.value.status == HTTPStatus.BAD_REQUEST


async def test_in_frames(running: Program) -> None:
    """
    With a subscribe a client shows whatever auth issues, however long.
    """
    async with back_end(APP) as back, visitors(APP) as visitor:
        asked = {"user": "7", "channels": ["private-a"], "claims": {"text": "x" * 23_000}}
        answer = await back.send("POST", running.url, "/auth/tokens", **asked)
        assert answer.status == HTTPStatus.OK, answer.body
        token = answer.body["token"]
        assert MAX_TOKEN - 2000 < len(token) <= MAX_TOKEN
        ann = visitor()
        await ann.connect(running.url)

        await ann.say(pusher.subscribe("private-a", auth=token))

        await ann.until_in("private-a")
