"""A gateway over real WebSockets: who may connect, and the protocol of one connection."""

import json
import re
from typing import Any

import pytest
from aiohttp import WSMsgType
from structlog.testing import capture_logs

from libs.common.apps import App, MemoryApps
from libs.common.errors import Unavailable
from libs.common.secret import Secret
from tests.support import pusher
from tests.support.gateways import APP, place, until

pytestmark = pytest.mark.usefixtures("quick")

OTHER = App(id="2", key="key-2", secrets=(Secret("other"),))
OFF = App(id="3", key="key-3", secrets=(Secret("off"),), enabled=False)


class UnreadApps(MemoryApps):
    """Apps that their backend never told."""

    def by_key(self, key: str) -> App:  # noqa: ARG002 - the port's.
        raise Unavailable("apps")


class TestHandshake:
    """docs/protocol.md, "Connection URL" and "Handshake"."""

    @pytest.mark.parametrize(
        "path",
        [
            "/app/app-key",
            "/prefix/app/app-key",
            "/a/b%20c/app/app-key",
            "/app/app/app-key",
            "/app/app-key?protocol=7&client=js&version=8.6.0&flash=false&more=1",
            "/app/app-key?protocol=4",
            "/app/app-key?protocol=",
        ],
    )
    async def test_greeted(self, path: str) -> None:
        """
        Under any prefix and with any parameters a client is greeted, first of all.
        """
        async with place(activity_timeout=17) as here:
            greeting = await (await here.open(path)).greeted()

            assert greeting["activity_timeout"] == 17
            assert re.fullmatch(r"[0-9]+\.[0-9]+", greeting["socket_id"])

    async def test_socket_ids(self) -> None:
        """
        Each connection has a name of its own.
        """
        async with place() as here:
            names = {(await here.connect()).socket_id for _ in range(5)}

            assert len(names) == 5

    @pytest.mark.parametrize(
        "path,code",
        [
            ("/app/unknown", 4001),
            ("/app/" + "é" * 60, 4001),
            ("/app/%ff%00", 4001),
            ("/app/key-3", 4003),
            ("/app/app-key?protocol=x", 4006),
            ("/app/app-key?protocol=3", 4007),
            ("/app/app-key?protocol=8", 4007),
        ],
    )
    async def test_refused(self, path: str, code: int) -> None:
        """
        Who may not connect is told why, then closed with the same code, and logged in one line.
        """
        async with place(apps=MemoryApps([APP, OFF])) as here:
            with capture_logs() as logs:
                client = await here.open(path)
                assert await client.expect_error(code)
                assert await client.expect_close() == code

            (line,) = logs
            assert (line["event"], line["code"]) == ("connection.refused", code)
            assert here.gateway.counters.refused == {code: 1}

    async def test_apps_away(self) -> None:
        """
        Before the apps were ever read nobody is given up: the code makes clients return after a second.
        """
        async with place(apps=UnreadApps([])) as here:
            client = await here.open()

            await client.expect_error(4100)
            assert await client.expect_close() == 4100

    async def test_over_capacity(self) -> None:
        """
        A gateway that is full sends away with 4100, and takes new clients when others have gone.
        """
        async with place(max_connections=1) as here:
            first = await here.connect()
            second = await here.open()
            await second.expect_error(4100)
            assert await second.expect_close() == 4100

            await first.close()
            await until(lambda: here.gateway.counters.closed == {1000: 1})

            await here.connect()

    @pytest.mark.parametrize("path,status", [("/app/app-key", 400), ("/app/", 404), ("/app", 404)])
    async def test_plain_http(self, path: str, status: int) -> None:
        """
        What does not ask for a WebSocket, or for no app, is answered in HTTP.
        """
        async with place() as here:
            assert await here.get(path) == status


class TestLiveness:
    """docs/protocol.md, "Liveness"."""

    async def test_ping(self) -> None:
        """
        A client's ping is answered.
        """
        async with place() as here:
            client = await here.connect()

            await client.send({"event": "pusher:ping", "data": {}})

            assert await client.expect("pusher:pong") == {}

    async def test_silence(self) -> None:
        """
        A silent client is pinged; one that stays silent is closed with 4201, after which it returns at once.
        """
        async with place(activity_timeout=1, pong_timeout=0.1) as here:
            client = await here.open(autoping=False)
            await client.greeted()

            assert (await client.receive()).type is WSMsgType.PING

            await client.expect_error(4201)
            assert await client.expect_close() == 4201
            await until(lambda: here.gateway.counters.closed == {4201: 1})


class TestBadInput:
    """What is no message, or not the client's to send: told, and survived."""

    @pytest.mark.parametrize(
        "message",
        [
            "",
            "nonsense",
            "[]",
            "null",
            {},
            {"event": 1},
            {"event": "pusher:subscribe"},
            {"event": "pusher:subscribe", "data": None},
            {"event": "pusher:subscribe", "data": "x"},
            {"event": "pusher:subscribe", "data": {}},
            {"event": "pusher:unsubscribe"},
            {"event": "pusher:unknown", "data": {}},
            {"event": "pusher_internal:member_added", "channel": "news", "data": "{}"},
            {"event": "fanfare:resync", "channel": "news", "data": "{}"},
            {"event": "news", "channel": "news", "data": "{}"},
            {"event": "client-x", "channel": "news", "data": "{}"},
            {"event": "client-x", "channel": "private-elsewhere", "data": "{}"},
            {"event": "client-x"},
        ],
    )
    async def test_told(self, message: Any) -> None:
        """
        The answer is an error of the 4300 range, and the client goes on.
        """
        async with place() as here:
            client = await here.join("news")

            await client.send(message)

            data = await client.expect("pusher:error")
            assert 4300 <= data["code"] <= 4399
            await client.expect_nothing_else()

    async def test_binary(self) -> None:
        """
        So it is for a binary frame.
        """
        async with place() as here:
            client = await here.connect()

            await client.websocket.send_bytes(b"{}")

            await client.expect_error(4300)
            await client.expect_nothing_else()

    async def test_oversized(self) -> None:
        """
        A message above the limit is closed with a code after which clients return.
        """
        async with place(max_message=1024) as here:
            client = await here.connect()

            await client.send("x" * 1025)

            assert await client.expect_close() == 1009
            await until(lambda: here.gateway.counters.closed == {1009: 1})

    @pytest.mark.parametrize(
        "name,rule",
        [
            ("", "it is empty"),
            ("x" * 165, "longer than 164 characters"),
            ("with blank", "allowed are"),
            ("#other", "allowed are"),
        ],
    )
    async def test_channel_name(self, name: str, rule: str) -> None:
        """
        A name out of bounds is refused on the channel, and the answer says which rule.
        """
        async with place() as here:
            client = await here.connect()

            await client.send(pusher.subscribe(name))

            data = await client.expect("pusher:subscription_error", name)
            assert data["type"] == "InvalidChannel"
            assert rule in data["error"]

    @pytest.mark.parametrize("auth", ["", "app-key:", "key-2:" + "0" * 64, "app-key:" + "0" * 64])
    async def test_bad_token(self, auth: str) -> None:
        """
        A wrong token is refused on the channel, with no word of the secret, and the client goes on.
        """
        async with place() as here:
            client = await here.connect()

            await client.send(pusher.subscribe("private-1", auth=auth))

            data = await client.expect("pusher:subscription_error", "private-1")
            assert (data["type"], data["status"]) == ("AuthError", 401)
            assert "app-secret" not in json.dumps(data)
            await client.expect_nothing_else()

    async def test_our_fault(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A fault of ours ends its connection, in a way after which clients return, and no other one.
        """
        async with place() as here:
            client, other = await here.connect(), await here.connect()
            monkeypatch.setattr("services.gateway.frames.PONG", None)

            await client.send({"event": "pusher:ping"})

            assert await client.expect_close() in {1006, None}
            monkeypatch.undo()
            await other.expect_nothing_else()


class TestSubscribe:
    """docs/protocol.md, "Subscribe / unsubscribe"."""

    @pytest.mark.parametrize("channel", ["news", "private-1", "private-encrypted-1", "cache-1"])
    async def test_events(self, channel: str) -> None:
        """
        A subscription is confirmed, and what is published from then on arrives as it was published.
        """
        async with place() as here:
            client = await here.connect()
            await here.publish(channel, "before")

            assert await client.subscribe(channel) == {}
            await here.publish(channel, '{"a": 1}', "no JSON", event="sold")

            assert await client.expect("sold", channel) == {"a": 1}
            assert await client.expect("sold", channel) == "no JSON"

    async def test_twice(self) -> None:
        """
        Subscribing twice is confirmed twice, and events come once.
        """
        async with place() as here:
            client = await here.join("news", "news")

            await here.publish("news", "1", "2")

            assert await client.expect("news", "news") == 1
            assert await client.expect("news", "news") == 2

    async def test_unsubscribe(self) -> None:
        """
        After an unsubscribe nothing comes of that channel, until it is subscribed to again.
        """
        async with place() as here:
            client = await here.join("a", "b")
            await client.unsubscribe("a")
            await client.expect_nothing_else()

            await here.publish("a", "1")
            await here.publish("b", "2")
            assert await client.expect("news", "b") == 2

            await client.subscribe("a")
            await here.publish("a", "3")
            assert await client.expect("news", "a") == 3

    async def test_unsubscribe_while_joining(self) -> None:
        """
        Who unsubscribes before it is admitted ends up not subscribed.
        """
        async with place() as here:
            client, other = await here.connect(), await here.connect()
            here.bus.is_away = True
            await client.ask("a")
            await until(lambda: here.bus.refusals > 0)
            await client.unsubscribe("a")
            await client.expect_nothing_else()

            here.bus.is_away = False
            await other.subscribe("a")
            await other.subscribe("b")
            await here.publish("a", "1")

            assert await other.expect("news", "a") == 1
            await client.expect_nothing_else()

    async def test_apps_are_apart(self) -> None:
        """
        A channel of one app is another than that of the same name of another app.
        """
        async with place(apps=MemoryApps([APP, OTHER])) as here:
            ours = await here.join("news")
            theirs = await here.connect("/app/key-2", app=OTHER)
            await theirs.subscribe("news")

            await here.publish("news", "1")

            assert await ours.expect("news", "news") == 1
            await theirs.expect_nothing_else()

    async def test_too_many(self) -> None:
        """
        A channel above the limit is refused, those below stay.
        """
        async with place(max_channels=1) as here:
            client = await here.join("a")

            await client.ask("b")

            assert (await client.expect("pusher:subscription_error", "b"))["type"] == "LimitReached"
            await here.publish("a", "1")
            assert await client.expect("news", "a") == 1
