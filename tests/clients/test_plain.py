"""
The lines of docs/migrate/plain-websockets.md, as they stand there, under Node.

What they do against `make run`'s settings, and that each of them is needed.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from tests.support.clients.back_ends import back_end
from tests.support.deployments.program import ROOT, Program, program
from tests.support.tokens import user_tokens

PAGE = ROOT / "docs" / "migrate" / "plain-websockets.md"
APP = App(id="1", key="app-key", secrets=(Secret("app-secret"),))
COUNT = "pusher_internal:subscription_count"  # A moment after somebody came or went.
SUBSCRIBED = "pusher_internal:subscription_succeeded"
TIMEOUT = 20.0  # Seconds until Node must have said something.
CONNECT = """
listen(process.argv[2], process.argv[3], (event, data) => console.log(JSON.stringify([event, data])));
"""

_SCRIPT = re.compile(r"^```js\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def scripts() -> Iterator[str]:
    """Yield the scripts of the page, in their order."""
    yield from _SCRIPT.findall(PAGE.read_text(encoding="utf-8"))


def lines(*, breaking: str = "", by: str = "") -> str:
    """Return the page's lines, with something else in one place, if that is wanted."""
    text = next(scripts())
    assert breaking in text
    return text.replace(breaking, by) if breaking else text


class Node:
    """A script under Node."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def heard(self) -> Any:
        """Wait for what the page hears next, counts of subscriptions aside."""
        heard = [COUNT, None]
        async with asyncio.timeout(TIMEOUT):
            while heard[0] == COUNT:
                heard = json.loads(await self._line())
        return heard

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "Node has ended; its standard error says why"
        return line


# Browsers have a WebSocket; Node has one of its own only since 22.
WS = ROOT / "tests" / "clients" / "node_modules" / "ws" / "wrapper.mjs"
BROWSERS = f"""
import OfNode from {json.dumps(WS.as_uri())};
globalThis.WebSocket = OfNode;
"""


@asynccontextmanager
async def node(file: Path, text: str, *words: str) -> AsyncIterator[Node]:
    """Run a script, and end it with the context."""
    file.write_text(BROWSERS + text)
    process = await asyncio.create_subprocess_exec(
        "node", str(file), *words, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Node(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Program]:
    """Yield what `make run` starts."""
    log = tmp_path_factory.mktemp("plain") / "all.log"
    async with program(config=ROOT / "deploy" / "dev.toml", log=log) as all_four:
        yield all_four


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Return where the script is."""
    return tmp_path / "page.mjs"


def address(running: Program) -> str:
    """Return where the page's second script connects to, at this port."""
    (url,) = re.findall(r'listen\("ws://127\.0\.0\.1:6001(.*?)"', PAGE.read_text(encoding="utf-8"))
    return f"ws://{running.host}:{running.port}{url}"


async def announce(running: Program, name: str) -> None:
    """Tell of a product, as a back end does."""
    data = {"tenant_id": "acme", "id": 42, "name": name, "user_id": 7, "user_name": "Ann"}
    async with back_end(APP) as back:
        answer = await back.emit(running.url, data, type="product.created")
    assert answer.status == 202, answer


class TestListening:
    """A page that takes the lines hears what happens."""

    async def test_public(self, running: Program, script: Path) -> None:
        """It is told that it is subscribed, and then of each event, decoded."""
        page = lines() + CONNECT
        async with node(script, page, address(running), "products.acme") as client:
            subscribed = await client.heard()
            await announce(running, "Chair")
            event, data = await client.heard()

        assert subscribed == [SUBSCRIBED, {}]
        assert event == "product.created"
        assert (data["productId"], data["userName"]) == (42, "Ann")

    async def test_private(self, running: Program, script: Path) -> None:
        """With the page's proof it joins a private channel."""
        *_, proof = scripts()
        jwt = user_tokens.token(sub="7", tenant="acme")
        page = (
            f"const jwt = {json.dumps(jwt)};\n{lines()}"
            + proof.replace("http://127.0.0.1:6001", running.url)
            + CONNECT.replace(")));", ")), proof);")
        )
        async with node(script, page, address(running), "private-products.acme") as client:
            subscribed = await client.heard()
            await announce(running, "Table")
            event, data = await client.heard()

        assert subscribed == [SUBSCRIBED, {}]
        assert (event, data["name"]) == ("product.created", "Table")

    async def test_plain_text(self, running: Program, script: Path) -> None:
        """What a back end posts as JSON comes decoded, whatever it is."""
        async with node(script, lines() + CONNECT, address(running), "plain") as client:
            await client.heard()
            async with back_end(APP) as back:
                await back.publish(running.url, "plain", "hello", event="said")

            assert await client.heard() == ["said", "hello"]


class TestBroken:
    """Each of these lines is needed: without it the page hears something else."""

    @pytest.mark.parametrize(
        "breaking, by",
        [
            ('"pusher:subscribe"', '"subscribe"'),
            ("JSON.stringify({ event, data })", "JSON.stringify({ type: event, data })"),
        ],
    )
    async def test_another_language(
        self, running: Program, script: Path, breaking: str, by: str
    ) -> None:
        """Who asks in another language is told that nobody understands."""
        page = lines(breaking=breaking, by=by) + CONNECT
        async with node(script, page, address(running), "products.acme") as client:
            event, data = await client.heard()

        assert event == "pusher:error"
        assert data["code"] == 4300

    async def test_another_path(self, running: Program, script: Path) -> None:
        """A page that connects to `/ws`, as it did before, is told that there is nothing."""
        url = f"ws://{running.host}:{running.port}/ws?tenant_id=acme"
        async with node(script, lines() + CONNECT, url, "products.acme") as client:
            event, data = await client.heard()

        assert event == "pusher:error"
        assert data["code"] == 4005

    async def test_decoded_once(self, running: Program, script: Path) -> None:
        """Data is JSON in JSON."""
        page = lines(breaking='typeof data === "string"', by="false") + CONNECT
        async with node(script, page, address(running), "products.acme") as client:
            await client.heard()
            await announce(running, "Shelf")
            _, data = await client.heard()

        assert isinstance(data, str)

    async def test_without_proof(self, running: Program, script: Path) -> None:
        """A private channel wants one."""
        async with node(script, lines() + CONNECT, address(running), "private-products.acme") as it:
            event, data = await it.heard()

        assert event == "pusher:subscription_error"
        assert data["status"] == 401


class TestHeartbeats:
    """Both sides ask whether the other is there."""

    @pytest.mark.parametrize(
        "breaking, expected",
        [
            ("", ["pusher:subscribe", "pusher:pong", "pusher:ping"]),
            ('send("pusher:pong")', ["pusher:subscribe", "pusher:ping"]),
        ],
    )
    async def test_asked_and_asking(self, script: Path, breaking: str, expected: list[str]) -> None:
        """
        The page answers a ping, and sends one of its own when the server was silent for as long as it said.
        """
        page = lines(breaking=breaking, by="void 0") + CONNECT
        async with _silent_server() as (url, said), node(script, page, url, "news"):
            async with asyncio.timeout(TIMEOUT):
                while "pusher:ping" not in said.seen:
                    await said.more.wait()
                    said.more.clear()

        assert said.seen == expected


class _Said:
    """What a client has said so far."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.more = asyncio.Event()


@asynccontextmanager
async def _silent_server() -> AsyncIterator[tuple[str, _Said]]:
    """Serve what greets, asks once after the subscribe, and says nothing more."""
    said = _Said()

    async def serve(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        greeting = json.dumps({"socket_id": "1.1", "activity_timeout": 0.05})
        await websocket.send_json({"event": "pusher:connection_established", "data": greeting})
        async for message in websocket:
            said.seen.append(json.loads(message.data)["event"])
            said.more.set()
            if said.seen == ["pusher:subscribe"]:
                await websocket.send_json({"event": "pusher:ping", "data": {}})
        return websocket

    app = web.Application()
    app.add_routes([web.get("/app/app-key", serve)])
    runner = web.AppRunner(app, shutdown_timeout=0.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"ws://{host}:{port}/app/app-key", said
    finally:
        await runner.cleanup()
