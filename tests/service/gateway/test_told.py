"""What the log says of a connection: who ended it, and at level debug all that it did, without content."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from libs.common.policies.settings import ChannelPolicy
from services.gateway.connections.acceptor import ABNORMAL
from tests.support.clients.client import Client
from tests.support.clients.raw_client import RawClient
from tests.support.fakes.logs import audited
from tests.support.services.gateway import Place, place, until
from tests.support.tokens.channel_tokens import channel_token


async def _sends_close(_: Place, client: Client) -> None:
    await client.websocket.close(code=4567)


async def _breaks_off(here: Place, _: Client) -> None:
    raw = await RawClient.connect(here.port, "/app/app-key?protocol=7")
    await raw.frame()
    raw.reset()


async def _ends_its_side(here: Place, _: Client) -> None:
    raw = await RawClient.connect(here.port, "/app/app-key?protocol=7")
    await raw.frame()
    raw.end_writing()


async def _is_sent_away(here: Place, _: Client) -> None:
    connection = next(iter(here.gateway._connections))
    connection.close(4009, "go")


class TestClosed:
    """``connection.closed`` says who ended it."""

    @pytest.mark.parametrize(
        "act,by,code,reason,kind",
        [
            (_sends_close, "client", 4567, "closed by the client", "client 3000"),
            (_breaks_off, "network", ABNORMAL, "no Close frame came", "network 0"),
            (_ends_its_side, "network", ABNORMAL, "no Close frame came", "network 0"),
            (_is_sent_away, "gateway", 4009, "go", "go"),
        ],
    )
    async def test_by(
        self,
        act: Callable[[Place, Client], Awaitable[None]],
        by: str,
        code: int,
        reason: str,
        kind: str,
    ) -> None:
        """A code that a client makes up is none of the kinds by which lines are paced."""
        with capture_logs() as logs:
            async with place() as here:
                client = await here.connect()
                await act(here, client)
                await until(lambda: bool(_told(logs, "connection.closed")))
                (first, *_) = _told(logs, "connection.closed")

        assert (first["by"], first["code"], first["reason"]) == (by, code, reason)
        assert first["pace_by"] == kind

    async def test_counted(self) -> None:
        """Codes that clients make up are counted as one."""
        async with place() as here:
            for code in (1000, 1001, 3000, 4000, 4999):
                client = await here.connect()
                await client.websocket.close(code=code)
            counts = here.gateway.counters.closed
            await until(lambda: sum(counts.values()) == 5)

        assert counts == {1000: 1, 1001: 1, 3000: 3}

    async def test_by_silence(self) -> None:
        """A client that does not answer is given up, which is not the gateway's wish."""
        with capture_logs() as logs:
            async with place(activity_timeout=0.05, pong_timeout=0.05) as here:
                client = await here.open(autoping=False)
                await until(lambda: here.gateway.counters.closed == {4201: 1})
                await client.close()

        (line,) = _told(logs, "connection.closed")
        assert (line["by"], line["code"]) == ("silence", 4201)


class TestDebug:
    """At level debug a connection's life can be followed, at level info only its end."""

    async def _live(self) -> list[Any]:
        with capture_logs() as logs:
            async with place() as here:
                ann = await here.connect(
                    "/app/app-key?protocol=7&client=js&version=8.4.0",
                    headers={"Origin": "https://www.example.org"},
                )
                ben = await here.join("private-room")
                await ann.subscribe("private-room")
                await ann.whisper("private-room", "client-sesame", "sesame")
                await ben.expect("client-sesame", "private-room")
                await ann.unsubscribe("private-room")
                await ann.expect_nothing_else()
                await ann.close()
                mine = [line for line in logs if line.get("socket_id") == ann.socket_id]
        assert "sesame" not in str(logs)
        return mine

    async def test_debug(self) -> None:
        lines = await self._live()

        assert [line["event"] for line in lines][:4] == [
            "connection.opened",
            "channel.subscribed",
            "client_event.relayed",
            "channel.unsubscribed",
        ]
        assert {line["log_level"] for line in lines[:4]} == {"debug"}
        assert {line.get("channel") for line in lines[1:4]} == {"private-room"}
        opened = lines[0]
        assert (opened["app"], opened["address"]) == ("1", "127.0.0.1")
        assert (opened["client"], opened["version"]) == ("js", "8.4.0")
        assert opened["origin"] == "https://www.example.org"

    async def test_info(self) -> None:
        before = structlog.get_config()["wrapper_class"]
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(20))
        try:
            lines = await self._live()
        finally:
            structlog.configure(wrapper_class=before)

        assert {line["event"] for line in lines} <= {"connection.closed"}


async def test_hint() -> None:
    """A guard that compared a number with a text says so, and quotes neither."""
    guard = ChannelPolicy(app="1", pattern="orders.{id}", allow="id in claims.orders")
    text, _ = channel_token("ann", now=time.time(), claims={"orders": [51, 52]})
    with capture_logs() as logs, audited() as audit:
        async with place(guards=[guard]) as here:
            ann = await here.connect(f"/app/app-key?protocol=7&token={text}")
            await ann.send({"event": "pusher:subscribe", "data": {"channel": "orders.51"}})
            await ann.expect("pusher:subscription_error", "orders.51")

    (line,) = _told(logs, "subscribe.refused")
    assert line["log_level"] == "info"
    assert line["reason"] == "orders.{id}: allow is false"
    assert line["hint"] == (
        "claims.orders holds numbers, {id} is a text: a number never equals a text; "
        "write claims.orders.exists(each, string(each) == id)"
    )
    (denied,) = _told(audit, "audit.subscribe_denied")
    assert (denied["app"], denied["channel"], denied["pace_by"]) == ("1", "orders.51", 403)


def _told(logs: list[Any], event: str) -> list[Any]:
    return [line for line in logs if line["event"] == event]
