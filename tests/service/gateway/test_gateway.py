"""A gateway over real WebSockets: who may connect, and the protocol of one connection."""

import asyncio
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import WSMsgType
from structlog.testing import capture_logs

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.config.secret import Secret
from libs.common.errors import Unavailable
from services.gateway.connections import acceptor
from services.gateway.connections.connection import Connection
from services.gateway.connections.socket import Socket
from services.gateway.session.session import Session
from tests.support.clients import pusher
from tests.support.clients.raw_client import CLOSE, REQUEST, TEXT, RawClient, masked
from tests.support.deadline import DEADLINE
from tests.support.services.gateway import APP, QUICK, place, until
from tests.support.services.listener import living

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

    async def test_refused_while_talking(self) -> None:
        """
        A client that talks before it is greeted is told all the same: an error, one Close frame, the end.
        """
        async with place() as here:
            client = await RawClient.connect(
                here.port, "/app/unknown", first=masked(pusher.subscribe("a"))
            )

            assert pusher.read((await client.frame()).payload)["data"]["code"] == 4001
            close = await client.frame()
            assert (close.opcode, close.code) == (CLOSE, 4001)
            assert await client.rest() == b""

    async def test_refused_while_it_goes_on(self) -> None:
        """
        So is one that goes on talking after it was refused: what it is told does not get lost.
        """
        async with place() as here:
            for _ in range(20):
                client = await RawClient.connect(here.port, "/app/unknown")
                for _ in range(6):
                    await client.send(pusher.subscribe("a"))

                assert pusher.read((await client.frame()).payload)["data"]["code"] == 4001
                assert (await client.frame()).opcode == CLOSE
                client.close()

    async def test_too_many_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Who is refused while many have not gone yet is not waited for.
        """
        monkeypatch.setattr(acceptor, "MOST_PARTING", 1)
        async with place(timers=replace(QUICK, closing=10 * DEADLINE)) as here:
            waiting, cut = [await RawClient.connect(here.port, "/app/unknown") for _ in range(2)]

            for client in (cut, waiting):
                assert [(await client.frame()).opcode for _ in range(2)] == [TEXT, CLOSE]
            assert await cut.rest() == b""
            await waiting.send(b"", CLOSE)
            assert await waiting.rest() == b""

    async def test_gone(self) -> None:
        """
        Who leaves while it is upgraded is no failure of ours.
        """
        request = REQUEST.format(path="/app/app-key", headers="").encode()
        with capture_logs() as logs:
            async with place() as here:
                for _ in range(20):
                    _, writer = await asyncio.open_connection("127.0.0.1", here.port)
                    writer.write(request)
                    writer.write_eof()
                    await asyncio.sleep(0)
                    writer.close()
                await here.connect()

        assert [line for line in logs if line["log_level"] == "error"] == []

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

    @pytest.mark.parametrize("path,status", [("/app/app-key", 426), ("/app/", 404), ("/app", 404)])
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
        async with place(activity_timeout=0.1, pong_timeout=0.1) as here:
            client = await here.open(autoping=False)
            await client.greeted()

            assert (await client.receive()).type is WSMsgType.PING

            await client.expect_error(4201)
            assert await client.expect_close() == 4201
            await until(lambda: here.gateway.counters.closed == {4201: 1})


class TestEnd:
    """What is left of a connection that ended."""

    async def test_broken_off(self) -> None:
        """
        One that broke off is counted as such.
        """
        async with place() as here:
            client = await RawClient.connect(here.port, "/app/app-key")
            assert (await client.frame()).opcode == TEXT

            client.reset()

            await until(lambda: here.gateway.counters.closed == {0: 1})

    async def test_nothing_is_held(self) -> None:
        """
        Nothing of it stays in memory, however many channels it was in.
        """
        async with place() as here:
            client = await here.join("a", "private-1")
            await client.subscribe("presence-1", user="ann")
            assert living(Connection, Session) == 2

            await client.close()

            await until(lambda: living(Connection, Session, Socket) == 0)


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
        A fault of ours ends its connection, with not a word of it, and no other one.
        """
        async with place() as here:
            other = await here.connect()
            client = await RawClient.connect(here.port, "/app/app-key")
            await client.frame()
            monkeypatch.setattr("services.gateway.protocol.frames.PONG", None)

            await client.send(b'{"event":"pusher:ping"}')

            assert await client.rest() == b""
            monkeypatch.undo()
            await other.expect_nothing_else()
