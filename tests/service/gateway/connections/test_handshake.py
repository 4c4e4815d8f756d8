"""Who may connect to a gateway, judged from what stands around the connection; and what plain HTTP is told."""

import asyncio
from ipaddress import ip_network

import pytest
from aiohttp import WSMsgType
from structlog.testing import capture_logs

from libs.common.apps.app import App
from libs.common.apps.memory import MemoryApps
from libs.common.config.secret import Secret
from libs.common.web.proxies import Proxies
from tests.support.clients.raw_client import REQUEST
from tests.support.fakes.logs import audited
from tests.support.servers import Certificates
from tests.support.services.gateway import APP, Place, place, until

SITE = "https://www.example.org"
SECURE = App(id="2", key="secure", secrets=(Secret("s"),), tls_only=True)
CLOSED = App(
    id="3",
    key="closed",
    secrets=(Secret("c"),),
    allowed_origins=(SITE, "https://*.example.net"),
)
APPS = (APP, SECURE, CLOSED)
LOCAL = Proxies([ip_network("127.0.0.0/8")])

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


async def refused(here: Place, path: str, code: int, **headers: str) -> str:
    """Connect, be refused with this code, and return the wording."""
    client = await here.open(path, headers=headers)
    wording = await client.expect_error(code)
    closed = (
        await client.receive()
    )  # Not the client's `close_code`: it says 1006 once its answer fails.
    assert (closed.type, closed.data) == (WSMsgType.CLOSE, code)
    return wording


class TestTls:
    """docs/protocol.md, "Error codes": 4000."""

    async def test_required(self) -> None:
        """
        An app that wants TLS refuses connections without it, in words that say what to use instead.
        """
        async with place(apps=MemoryApps(APPS)) as here:
            assert "wss://" in await refused(here, "/app/secure", 4000)

            await here.connect("/app/app-key")

    async def test_our_own(self, certificates: Certificates) -> None:
        """
        With a certificate of ours it is served.
        """
        async with place(apps=MemoryApps(APPS), certificates=certificates) as here:
            await here.connect("/app/secure", app=SECURE)

    async def test_ends(self, certificates: Certificates, caplog: pytest.LogCaptureFixture) -> None:
        """
        That a client which speaks TLS is gone makes no line of asyncio's in the log.
        """
        async with place(certificates=certificates) as here:
            client = await here.connect()

            await client.close()
            await until(lambda: not here.gateway.state().connections)

        assert not [line for line in caplog.records if line.name == "asyncio"]

    async def test_refused_ends(
        self, certificates: Certificates, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        Nor does one that was refused, and ends without a Close frame.
        """
        head = REQUEST.format(path="/app/unknown", headers="").encode()
        async with place(certificates=certificates) as here:
            context = certificates.client_context()
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port, ssl=context)
            writer.write(head)
            await reader.readuntil(b"4001")

            writer.close()
            await writer.wait_closed()
            await here.connect()

        assert not [line for line in caplog.records if line.name == "asyncio"]

    async def test_of_a_proxy(self) -> None:
        """
        A trusted proxy's word that its client has TLS is enough, and so is its word that it has not.
        """
        async with place(apps=MemoryApps(APPS), proxies=LOCAL) as here:
            await here.connect("/app/secure", headers={"X-Forwarded-Proto": "https"})
            await refused(here, "/app/secure", 4000, **{"X-Forwarded-Proto": "http"})

    async def test_without_it_behind_a_proxy(self, certificates: Certificates) -> None:
        """
        That a proxy speaks TLS with us helps no client that does not with the proxy.
        """
        known = MemoryApps(APPS)
        async with place(apps=known, proxies=LOCAL, certificates=certificates) as here:
            await refused(here, "/app/secure", 4000, **{"X-Forwarded-Proto": "http"})

    async def test_forged(self) -> None:
        """
        A client's own word counts for nothing.
        """
        async with place(apps=MemoryApps(APPS)) as here:
            await refused(here, "/app/secure", 4000, **{"X-Forwarded-Proto": "https"})


class TestOrigins:
    """docs/protocol.md, "Error codes": 4009."""

    @pytest.mark.parametrize("origin", [SITE, "https://a.b.example.net"])
    async def test_allowed(self, origin: str) -> None:
        """
        Pages of the list connect.
        """
        async with place(apps=MemoryApps(APPS)) as here:
            await here.connect("/app/closed", headers={"Origin": origin})

    @pytest.mark.parametrize("origin", ["https://evil.net", SITE + ":8443", "null"])
    async def test_not_allowed(self, origin: str) -> None:
        """
        Others are refused with a code after which clients do not return, and it is logged.
        """
        async with place(apps=MemoryApps(APPS)) as here:
            with capture_logs() as logs, audited() as audit:
                assert origin in await refused(here, "/app/closed", 4009, Origin=origin)

            assert [(line["event"], line["code"]) for line in logs] == [
                ("connection.refused", 4009)
            ]
            assert [line["event"] for line in audit] == ["audit.denied"]

    async def test_no_page(self) -> None:
        """
        Clients that are no browsers name no origin, and connect.
        """
        async with place(apps=MemoryApps(APPS)) as here:
            await here.connect("/app/closed")

    async def test_no_list(self) -> None:
        """
        An app without a list is for everybody's pages.
        """
        async with place(apps=MemoryApps(APPS)) as here:
            await here.connect("/app/app-key", headers={"Origin": "https://evil.net"})


class TestPlainHttp:
    """What is no WebSocket is answered in words."""

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Upgrade": "h2c", "Connection": "Upgrade"},
            {"Upgrade": "websocket"},
            {"Connection": "Upgrade"},
            UPGRADE | {"Upgrade": "websocke"},
            UPGRADE | {"Connection": "close"},
        ],
    )
    @pytest.mark.parametrize("path", ["/app/app-key?protocol=7", "/a/b/app/unknown"])
    async def test_no_upgrade(self, path: str, headers: dict[str, str]) -> None:
        """
        Who asks for no upgrade is told to (426), for any app and under any prefix; so is the log.
        """
        async with place() as here:
            with capture_logs() as logs:
                response = await here.ask(path, headers=headers)

            told = [(line["event"], line["path"], line["status"]) for line in logs]
            assert told == [("request.refused", path.partition("?")[0], 426)]
            assert response.status == 426
            assert response.headers["Upgrade"] == "websocket"
            assert response.headers["Connection"] == "Upgrade"
            assert "by WebSocket" in (await response.json())["error"]

    @pytest.mark.parametrize("version", ["", "0", "14", "13.0", "x", "13, 8", "13\u00b3"])
    async def test_version(self, version: str) -> None:
        """
        Another version of the WebSocket protocol is told which one to use (RFC 6455, 4.2.2).
        """
        async with place() as here:
            asked = UPGRADE | {"Sec-WebSocket-Version": version}
            response = await here.ask("/app/app-key", headers=asked)

            assert response.status == 426
            assert response.headers["Sec-WebSocket-Version"] == "13"
            assert "Sec-WebSocket-Version" in (await response.json())["error"]

    @pytest.mark.parametrize(
        "key", ["", "AAAA", "A", "AAAAAAAAAAAAAAAAAAAAA===", "\u00e9" * 22, "*"]
    )
    async def test_key(self, key: str) -> None:
        """
        A key that no client makes is refused.
        """
        async with place() as here:
            response = await here.ask("/app/app-key", headers=UPGRADE | {"Sec-WebSocket-Key": key})

            assert response.status == 400
            assert "Sec-WebSocket-Key" in (await response.json())["error"]

    @pytest.mark.parametrize("missing", ["Sec-WebSocket-Version", "Sec-WebSocket-Key"])
    async def test_missing(self, missing: str) -> None:
        """
        So it is where one of them is missing.
        """
        async with place() as here:
            asked = {name: text for name, text in UPGRADE.items() if name != missing}
            response = await here.ask("/app/app-key", headers=asked)

            assert response.status in {400, 426}
            assert missing in (await response.json())["error"]

    async def test_head(self) -> None:
        """
        A HEAD has the same status and no body.
        """
        async with place() as here:
            response = await here.ask("/app/app-key", method="HEAD")

            assert (response.status, await response.text()) == (426, "")

    async def test_no_failure_is_logged(self) -> None:
        """
        They are refused, and nothing went wrong.
        """
        async with place() as here:
            with capture_logs() as logs:
                await here.ask("/app/app-key")
                await here.ask("/app/app-key", headers=UPGRADE | {"Sec-WebSocket-Key": "é"})

            told = [(line["event"], line["log_level"], line["status"]) for line in logs]
            assert told == [("request.refused", "info", 426), ("request.refused", "info", 400)]

    async def test_goes_on(self) -> None:
        """
        The connection of a refused upgrade is good for other requests.
        """
        async with place() as here:
            for _ in range(3):
                await here.ask("/app/app-key", headers=UPGRADE | {"Sec-WebSocket-Key": ""})

            assert await here.get("/") == 200


@pytest.mark.parametrize(
    "offered",
    ["permessage-deflate", "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame"],
)
async def test_no_extension(offered: str) -> None:
    """
    Whatever a client offers, nothing is compressed (OWASP, WebSocket sheet): no extension is agreed on.
    """
    async with place() as here:
        response = await here.ask(
            "/app/app-key", headers=UPGRADE | {"Sec-WebSocket-Extensions": offered}
        )

        assert response.status == 101
        assert "Sec-WebSocket-Extensions" not in response.headers
