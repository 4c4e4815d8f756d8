"""
Chromium without a window, driven through its DevTools protocol: what a person does on a page, and sees there.

Pages are waited for by the changes of their documents, and controls are found as a screen reader finds them, by role and
name; one that has no name cannot be pressed.  What a page throws fails the test.
"""

import asyncio
import base64
import json
import re
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.deadline import DEADLINE
from tests.support.programs import find_program
from tests.support.servers.process import set_privileges

# Pages are our own, so they need no sandbox, which Debian packs by itself; nothing is asked of the network.
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-port=0",
)
LISTENS = re.compile(rb"DevTools listening on (ws://\S+)")
LARGEST = 1 << 26  # Bytes of a message, such as a picture.

# Resolves when the document has what is looked for, or its text; it looks again at each change.
_SEEN = """
(selector, words, wanted) => new Promise((resolve) => {
  const shown = (found) => found.checkVisibility() && words.every((word) =>
    `${found.innerText} ${found.getAttribute("aria-label") ?? ""}`.includes(word));
  const judge = () => [...document.querySelectorAll(selector)].some(shown) === wanted;
  if (judge()) return resolve(true);
  const observer = new MutationObserver(() => judge() && (observer.disconnect(), resolve(true)));
  observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
})
"""


class DevTools:
    """
    A connection to Chromium.

    Args:
        socket: To its DevTools.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = 0
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self.thrown: list[str] = []

    async def read(self) -> None:
        """Take answers, and what pages throw, until the connection ends."""
        async for message in self._socket:
            told = message.json()
            if asked := self._asked.get(told.get("id", 0)):
                asked.set_result(told)
            if told.get("method") == "Runtime.exceptionThrown":
                self.thrown.append(json.dumps(told["params"]["exceptionDetails"]))
        for asked in self._asked.values():
            asked.set_exception(ConnectionError("Chromium has ended"))

    async def ask(self, method: str, session: str | None = None, /, **params: Any) -> Any:
        """Call a method, of a page if its session is named, and return the result."""
        self._numbers += 1
        number = self._numbers
        self._asked[number] = asyncio.get_running_loop().create_future()
        target = {"sessionId": session} if session else {}
        await self._socket.send_json({"id": number, "method": method, "params": params, **target})
        try:
            async with asyncio.timeout(DEADLINE):
                told = await self._asked[number]
        finally:
            self._asked.pop(number, None)
        assert "error" not in told, (method, told["error"])
        return told["result"]


class Page:
    """A page that one person looks at, with storage of its own."""

    def __init__(self, tools: DevTools, target: str, session: str) -> None:
        self._tools = tools
        self._target = target
        self._session = session

    async def go(self, url: str) -> None:
        """Go to an address, and wait until the document has begun."""
        await self._ask("Page.navigate", url=url)

    async def see(self, selector: str, *words: str) -> None:
        """Wait until an element that a selector of CSS selects is shown, with all of these words in it."""
        await self._wait(selector, words, is_seen=True)

    async def miss(self, selector: str, *words: str) -> None:
        """Wait until no such element is shown."""
        await self._wait(selector, words, is_seen=False)

    async def press(self, role: str, name: str) -> None:
        """Click on the control of a role and an accessible name."""
        await self.focus(role, name)
        node = {"backendNodeId": await self._control(role, name)}
        await self._ask("DOM.scrollIntoViewIfNeeded", **node)
        (quad, *_) = (await self._ask("DOM.getContentQuads", **node))["quads"]
        place = {"x": sum(quad[::2]) / 4, "y": sum(quad[1::2]) / 4, "button": "left"}
        for kind in ("mousePressed", "mouseReleased"):
            await self._ask("Input.dispatchMouseEvent", type=kind, clickCount=1, **place)

    async def focus(self, role: str, name: str) -> None:
        """Put the cursor into the control of a role and an accessible name."""
        await self._ask("DOM.focus", backendNodeId=await self._control(role, name))

    async def write(self, name: str, text: str) -> None:
        """Type into the field of an accessible name."""
        await self.focus("textbox", name)
        await self._ask("Input.insertText", text=text)

    async def enter(self) -> None:
        """Press the key that sends a form."""
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        await self._ask("Input.dispatchKeyEvent", type="keyDown", text="\r", **key)
        await self._ask("Input.dispatchKeyEvent", type="keyUp", **key)

    async def run(self, script: str) -> Any:
        """Evaluate an expression of JavaScript, and return what it, or its promise, gives."""
        options = {"awaitPromise": True, "returnByValue": True}
        told = await self._ask("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def picture(self, path: Path, *, width: int = 1000, height: int = 640) -> None:
        """Take a picture of the page, as a window of this size shows it."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self._ask("Emulation.setDeviceMetricsOverride", **size)
        told = await self._ask("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(told["data"]))

    async def close(self) -> None:
        """Close it, as a person closes a tab."""
        await self._tools.ask("Target.closeTarget", targetId=self._target)

    async def _wait(self, selector: str, words: tuple[str, ...], *, is_seen: bool) -> None:
        arguments = ", ".join(json.dumps(word) for word in (selector, words, is_seen))
        try:
            await self.run(f"({_SEEN})({arguments})")
        except TimeoutError:
            shown = await self.run("document.body.innerText")
            wanted = f"{selector} {words} {'is not' if is_seen else 'is still'} seen"
            raise AssertionError(f"{wanted} in time, but {shown!r}") from None

    async def _control(self, role: str, name: str) -> int:
        root = (await self._ask("DOM.getDocument", depth=0))["root"]["nodeId"]
        wanted = {"role": role, "accessibleName": name}
        nodes = (await self._ask("Accessibility.queryAXTree", nodeId=root, **wanted))["nodes"]
        found = [node["backendDOMNodeId"] for node in nodes if not node["ignored"]]
        assert len(found) == 1, f"{len(found)} controls are a {role} called {name!r}"
        return int(found[0])

    async def _ask(self, method: str, **params: Any) -> Any:
        return await self._tools.ask(method, self._session, **params)


class Browser:
    """
    Chromium.

    Args:
        tools: A connection to it.
    """

    def __init__(self, tools: DevTools) -> None:
        self._tools = tools

    async def page(self) -> Page:
        """Open a page for somebody else: nothing is shared with the pages before."""
        context = (await self._tools.ask("Target.createBrowserContext"))["browserContextId"]
        words = {"url": "about:blank", "browserContextId": context}
        target = (await self._tools.ask("Target.createTarget", **words))["targetId"]
        attached = await self._tools.ask("Target.attachToTarget", targetId=target, flatten=True)
        session = attached["sessionId"]
        for domain in ("Page", "Runtime", "DOM", "Accessibility"):
            await self._tools.ask(f"{domain}.enable", session)
        # Each page believes that it is the one in front, as on machines of their own.
        await self._tools.ask("Emulation.setFocusEmulationEnabled", session, enabled=True)
        return Page(self._tools, target, session)


@asynccontextmanager
async def chromium(directory: Path) -> AsyncIterator[Browser]:
    """
    Start Chromium, and end it with the context.

    Args:
        directory: For its profile.

    Raises:
        MissingProgram: There is none.
    """
    profile = f"--user-data-dir={directory / 'profile'}"
    command = [
        *set_privileges(None, signal.SIGKILL),
        str(find_program("chromium")),
        *OPTIONS,
        profile,
    ]
    process = await asyncio.create_subprocess_exec(*command, stderr=PIPE)
    try:
        async with asyncio.TaskGroup() as tasks:
            url = await _address(process)
            draining = tasks.create_task(_drain(process))
            async with (
                aiohttp.ClientSession() as http,
                http.ws_connect(url, max_msg_size=LARGEST) as socket,
            ):
                tools = DevTools(socket)
                answering = tasks.create_task(tools.read())
                yield Browser(tools)
                assert not tools.thrown
            answering.cancel()
            draining.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    """Wait until Chromium says where it listens."""
    assert process.stderr is not None
    said = []
    async with asyncio.timeout(DEADLINE):
        async for line in process.stderr:
            said.append(line)
            if found := LISTENS.search(line):
                return found[1].decode()
    raise AssertionError(f"Chromium has ended: {said}")


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Let Chromium complain of what this machine has not, such as a bus for desktops."""
    assert process.stderr is not None
    async for _ in process.stderr:
        pass
