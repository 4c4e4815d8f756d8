"""The example chat: its API as its users' programs call it, and a journey of three people in Chromium."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from libs.common.apps.app import App
from libs.common.config.secret import Secret
from tests.clients.sdks import eventually
from tests.support.clients.browser import Browser, Page, chromium
from tests.support.clients.visitors import Visitor, visitors
from tests.support.deadline import DEADLINE
from tests.support.deployments.chat import Chat, chat, chat_of
from tests.support.servers import fresh_database
from tests.support.servers.ports import free_port

APP = App(id="1", key="app-key", secrets=(Secret("app-secret"),))
TIMEOUT = aiohttp.ClientTimeout(total=DEADLINE)


@pytest.fixture(scope="module")
async def running(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str
) -> AsyncIterator[Chat]:
    """Yield the chat, of which each test has people of its own."""
    directory, name = tmp_path_factory.mktemp("chat"), f"t{secrets.token_hex(6)}"
    async with fresh_database(postgres_url, name) as url, chat(directory, url) as made:
        yield made


class Caller:
    """A user's program."""

    def __init__(self, http: aiohttp.ClientSession, id_: int, token: str) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"}
        self.id = id_

    async def ask(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        """Call the chat's API."""
        sent = body if method == "POST" else None
        async with self._http.request(
            method, f"/api/chat{path}", json=sent, headers=self._headers
        ) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def http(running: Chat) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(running.url, timeout=TIMEOUT) as session:
        yield session


@pytest.fixture
async def people(http: aiohttp.ClientSession, room: str) -> list[Caller]:
    """Return three users who have logged in."""
    return [await log_in(http, f"{name}-{room}") for name in ("ann", "bob", "eve")]


async def log_in(http: aiohttp.ClientSession, name: str) -> Caller:
    async with http.post("/api/login", json={"name": name}) as answer:
        told = await answer.json()
    assert told["user"]["name"] == name
    return Caller(http, told["user"]["id"], told["token"])


@pytest.fixture
async def visitor(running: Chat) -> AsyncIterator[Visitor]:
    """Yield a plain client that may join every channel."""
    async with visitors(APP) as made:
        one = made()
        await one.connect(running.fanfare)
        yield one


def events(visitor: Visitor, channel: str) -> list[tuple[str, Any]]:
    """Return what a client was told on a channel, the protocol's own aside."""
    frames = [frame for frame in visitor.frames if frame.get("channel") == channel]
    return [
        (frame["event"], frame["data"])
        for frame in frames
        if not frame["event"].startswith("pusher")
    ]


async def until(visitor: Visitor, channel: str, event: str, **data: Any) -> None:
    """Wait until a client was told of an event with at least these data."""

    def told() -> bool:
        found = [words for name, words in events(visitor, channel) if name == event]
        return any(data.items() <= words.items() for words in found)

    await visitor.until(told)


async def until_typing(visitor: Visitor, *users: Caller) -> None:
    """Wait until the last that a client was told of `chat` is that these users type there."""
    wanted = {"user_ids": sorted(str(user.id) for user in users)}

    def told() -> bool:
        found = [data for name, data in events(visitor, "chat") if name == "fanfare:typing"]
        return found[-1:] == [wanted]

    await visitor.until(told)


async def enter(browser: Browser, running: Chat, name: str) -> Page:
    """Open the page and log in."""
    page = await browser.page()
    await page.go(running.url)
    await page.see("#login")
    await page.write("Your name", name)
    await page.press("button", "Enter")
    await page.see("#connection", "Connected")
    await page.see("#conversation", "Everyone")
    return page


async def test_journey(running: Chat, tmp_path: Path) -> None:
    """
    Two people and a latecomer see who is here, who types, what was said and who has read it; then one leaves.
    """
    async with chromium(tmp_path) as browser:
        ann, bob = [await enter(browser, running, name) for name in ("Ann", "Bob")]
        for page, other in ((ann, "Bob"), (bob, "Ann")):
            await page.see("#people li", other, "online")

        await ann.write("Message", "Hello everyone")
        await bob.see("#typing", "Ann is typing…")
        cat = await enter(browser, running, "Cat")
        await cat.see("#typing", "Ann is typing…")
        await bob.write("Message", "Welcome")
        await cat.see("#typing", "Ann and Bob are typing…")
        await ann.see("#typing", "Bob is typing…")
        await cat.picture(tmp_path / "typing.png")

        # Who began before types still: it was not the time that cleared the list.
        await bob.enter()
        await cat.see("#typing", "Ann is typing…")
        await ann.enter()
        for page in (ann, bob, cat):
            for text in ("Hello everyone", "Welcome"):
                await page.see("#messages li", text)
            await page.miss("#typing", "typing")
        await ann.see("#messages .mine .tick", "Read by Bob and Cat")
        await bob.see("#messages .mine .tick", "Read by Ann and Cat")
        await ann.picture(tmp_path / "read.png")

        await ann.press("button", "Bob online")
        await ann.write("Message", "Between us")
        await ann.enter()
        await ann.see("#messages .mine .tick", "Sent")
        await bob.see("#people .unread", "1 unread")
        await bob.picture(tmp_path / "unread.png")
        await bob.press("button", "Ann online 1 unread")
        await bob.see("#messages .theirs", "Between us")
        await bob.miss("#people .unread")
        await ann.see("#messages .mine .tick", "Read by Bob")

        await bob.write("Message", "Yes?")
        await ann.see("#typing", "Bob is typing…")
        await ann.picture(tmp_path / "private.png")
        await ann.picture(tmp_path / "narrow.png", width=390, height=720)
        await bob.enter()
        await ann.see("#messages .theirs", "Yes?")
        await ann.miss("#typing", "typing")
        await cat.miss("#messages li", "Between us")

        await cat.close()
        for page in (ann, bob):
            await page.see("#people li", "Cat", "last seen")
        await ann.picture(tmp_path / "left.png")


async def is_online(asking: Caller, of: Caller) -> bool:
    """Ask the back end whether a user is online."""
    _, told = await asking.ask("GET", "/users/online")
    return of.id in [user["id"] for user in told["users"]]


class TestApi:
    """What the back end answers, and what is told on which channel."""

    async def test_message(self, people: list[Caller], visitor: Visitor) -> None:
        """
        A message for everyone is kept, told on `chat`, and ends its author's typing, nobody else's.
        """
        ann, bob, _ = people
        await visitor.join("chat")
        for user in (bob, ann):
            assert (await user.ask("POST", "/typing"))[0] == 202
            await until(visitor, "chat", "UserTyping", user_id=user.id, typing=True)
        await until_typing(visitor, ann, bob)

        status, sent = await ann.ask("POST", "/messages", message="Hello")

        assert (status, sent["user_id"], sent["recipient_id"]) == (201, ann.id, None)
        assert sent in (await bob.ask("GET", "/messages"))[1]["messages"]
        await until(visitor, "chat", "MessageSent", **sent)
        await until_typing(visitor, bob)
        assert (await bob.ask("POST", "/typing", typing=False))[0] == 202
        await until_typing(visitor)

    async def test_private_message(self, people: list[Caller], visitor: Visitor) -> None:
        """
        A message for one is told on the channel of the two, and its recipient is notified.
        """
        ann, bob, eve = people
        channel = f"private-chat.{ann.id}.{bob.id}"
        for name in (channel, f"private-user.{ann.id}"):
            await visitor.join(name)

        words = {"recipient_id": ann.id, "message": "Psst"}
        status, sent = await bob.ask("POST", "/messages/private", **words)

        assert status == 201
        await until(visitor, channel, "PrivateMessageSent", **sent)
        notice = {"user_id": bob.id, "message_id": sent["id"]}
        await until(visitor, f"private-user.{ann.id}", "NotificationCreated", **notice)
        for reader, other in ((ann, bob), (bob, ann)):
            answer = await reader.ask("GET", f"/messages?with={other.id}")
            assert answer == (200, {"messages": [sent], "marks": {}})
        for other in (ann, bob):
            answer = await eve.ask("GET", f"/messages?with={other.id}")
            assert answer == (200, {"messages": [], "marks": {}})
        assert (await eve.ask("POST", f"/messages/{sent['id']}/read"))[0] == 404

    async def test_read(self, people: list[Caller], visitor: Visitor) -> None:
        """
        Who reads a message has read those before it; the author is told, and marks never move back.
        """
        ann, bob, _ = people
        channel = f"private-chat.{ann.id}.{bob.id}"
        for name in (channel, f"private-user.{ann.id}"):
            await visitor.join(name)
        words = {"recipient_id": bob.id, "message": "Psst"}
        first, second = [(await ann.ask("POST", "/messages/private", **words))[1] for _ in "12"]

        answer = await bob.ask("POST", f"/messages/{second['id']}/read")

        assert answer == (200, {"upto": second["id"]})
        await until(visitor, channel, "fanfare:read", marks={str(bob.id): second["id"]})
        told = {"reader_id": bob.id, "message_id": second["id"], "recipient_id": bob.id}
        await until(visitor, f"private-user.{ann.id}", "MessageRead", **told)
        again = await bob.ask("POST", f"/messages/{first['id']}/read")
        assert again == (200, {"upto": second["id"]})
        _, known = await ann.ask("GET", f"/messages?with={bob.id}")
        assert known["marks"] == {str(bob.id): second["id"]}
        assert [message["is_read"] for message in known["messages"]] == [True, True]

    async def test_online(self, running: Chat, people: list[Caller]) -> None:
        """
        Who has a connection is online; of the others it is known when they were last seen.
        """
        ann, bob, _ = people

        async def seen(of: Caller) -> Any:
            _, told = await ann.ask("GET", "/users")
            return next(user for user in told["users"] if user["id"] == of.id)

        async with visitors(APP) as made:
            visitor = made()
            await visitor.connect(running.fanfare)
            await visitor.join("presence-chat", user=str(bob.id))
            await eventually(lambda: is_online(ann, bob), expected=True)
            assert (await seen(ann))["last_seen"] is None
        await eventually(lambda: is_online(ann, bob), expected=False)
        assert (await seen(bob))["last_seen"] is not None

    @pytest.mark.parametrize(
        "method, path, body, status",
        [
            ("POST", "/messages", {}, 400),
            ("POST", "/messages", {"message": " "}, 400),
            ("POST", "/messages", {"message": "x" * 2001}, 400),
            ("POST", "/messages/private", {"message": "Hi", "recipient_id": "7"}, 400),
            ("POST", "/messages/private", {"message": "Hi", "recipient_id": 10**15}, 404),
            ("GET", "/messages?with=ann", {}, 400),
            ("POST", f"/messages/{10**15}/read", {}, 404),
        ],
    )
    async def test_bad_input(
        self, people: list[Caller], method: str, path: str, body: dict[str, Any], status: int
    ) -> None:
        answer = await people[0].ask(method, path, **body)

        assert answer[0] == status
        assert answer[1]["error"]

    async def test_nobody(self, http: aiohttp.ClientSession) -> None:
        """
        Without a good token everything but the login is 401.
        """
        status, _ = await Caller(http, 0, "none").ask("GET", "/users/online")

        assert status == 401


async def test_without_fanfare(database_url: str) -> None:
    """
    While Fanfare is away messages are kept and shown all the same, and what only it knows is 503.
    """
    async with (
        chat_of(database_url, f"http://127.0.0.1:{free_port()}") as url,
        aiohttp.ClientSession(url, timeout=TIMEOUT) as http,
    ):
        ann = await log_in(http, "Ann")

        status, sent = await ann.ask("POST", "/messages", message="Hello")

        assert status == 201
        assert await ann.ask("GET", "/messages") == (200, {"messages": [sent], "marks": {}})
        assert (await ann.ask("GET", "/users/online"))[0] == 503
