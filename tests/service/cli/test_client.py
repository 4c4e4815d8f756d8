"""What is said where a deployment is not there, or is something else."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from libs.common.config.address import Address
from libs.common.web.certificates import Certificate
from libs.common.web.listeners import listening
from services.cli import client
from tests.support.deployments.commands import command
from tests.support.servers import Certificates
from tests.support.servers.ports import free_port

SETTINGS = '[[apps]]\nid = "1"\nkey = "k"\nsecrets = ["a-secret-of-its-own"]\n'
LOOPBACK = (Address("127.0.0.1", 0),)
ELSEWHERE = "--url names another address"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a file with one app."""
    file = tmp_path / "fanfare.toml"
    file.write_text(SETTINGS)
    return file


async def published(config: Path, url: str) -> str:
    """Try to publish, and return what is said of the failure."""
    outcome = await command("publish", "c", "e", "--url", url, config=config, environ={})
    (line,) = outcome.complaint.splitlines()
    assert (outcome.status, outcome.output) == (1, "")
    return line.removeprefix("fanfare: not published: ")


@asynccontextmanager
async def answering(
    status: int, text: str, certificate: Certificate | None = None
) -> AsyncIterator[int]:
    """Run a server that answers everything alike; yields its port."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", answer)])
    context = certificate.context if certificate else None
    async with listening(app, LOOPBACK, context) as (bound,):
        yield bound.port


@asynccontextmanager
async def mumbling(reply: bytes) -> AsyncIterator[int]:
    """Run a server of another protocol; yields its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(reply)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


class TestNobody:
    """Nobody is there."""

    async def test_nobody_listens(self, config: Path) -> None:
        url = f"http://127.0.0.1:{free_port()}"

        assert await published(config, url) == (
            f"nobody listens at {url} (connection refused); is it running? {ELSEWHERE}"
        )

    async def test_no_host(self, config: Path) -> None:
        said = await published(config, "http://nowhere.invalid")

        assert said == f"no host is called nowhere.invalid; {ELSEWHERE}"


class TestAnother:
    """Something else is there."""

    @pytest.mark.parametrize("reply", [b"", b"-ERR unknown command\r\n"])
    async def test_no_http(self, config: Path, reply: bytes) -> None:
        """A server of another protocol, or one that hangs up."""
        async with mumbling(reply) as port:
            url = f"http://127.0.0.1:{port}"

            assert await published(config, url) == (
                f"what listens at {url} does not answer in HTTP; "
                f"where it speaks TLS write https://; {ELSEWHERE}"
            )

    async def test_other_pages(self, config: Path) -> None:
        """Somebody's web server."""
        async with answering(404, "no such page") as port:
            url = f"http://127.0.0.1:{port}"

            assert await published(config, url) == (
                f"answered 404: no such page; "
                f"is {url} the public address of a deployment? {ELSEWHERE}"
            )

    @pytest.mark.parametrize("status", [401, 404, 502])
    async def test_web_page(self, config: Path, status: int) -> None:
        """Of a page for people the status is told, and not what it is written in."""
        async with answering(status, "\n<html><h1>no</h1></html>") as port:
            url = f"http://127.0.0.1:{port}"

            assert await published(config, url) == (
                f"answered {status} with a web page; "
                f"is {url} the public address of a deployment? {ELSEWHERE}"
            )

    async def test_trial(self, config: Path) -> None:
        """`fanfare test` says it of the WebSocket, too."""
        async with answering(200, "hello") as port:
            url = f"http://127.0.0.1:{port}"
            outcome = await command("test", "--url", url, config=config, environ={})

        assert outcome.status == 1
        assert outcome.complaint == (
            f"fanfare: connect: {url} answers 200 where a gateway opens a WebSocket; {ELSEWHERE}\n"
        )

    @pytest.mark.parametrize("text", ["hello", "[]", "{}"])
    async def test_other_frames(self, config: Path, text: str) -> None:
        """A WebSocket of something else is known by its first frame."""

        async def greet(request: web.Request) -> web.WebSocketResponse:
            response = web.WebSocketResponse()
            await response.prepare(request)
            await response.send_str(text)
            await response.close()
            return response

        app = web.Application()
        app.add_routes([web.get("/{path:.*}", greet)])
        async with listening(app, LOOPBACK) as (bound,):
            url = f"http://{bound}"
            outcome = await command("test", "--url", url, config=config, environ={})

        assert outcome.status == 1
        assert outcome.complaint == (
            "fanfare: connect: what answers does not speak the Pusher protocol; is it a gateway?\n"
        )


class TestTls:
    """TLS where none is spoken, and none where it is."""

    async def test_too_much(self, config: Path) -> None:
        async with answering(200, "") as port:
            said = await published(config, f"https://127.0.0.1:{port}")

        assert said == f"https://127.0.0.1:{port} speaks no TLS; try --url http://127.0.0.1:{port}"

    async def test_too_little(self, config: Path, certificates: Certificates) -> None:
        shown = Certificate(certificates.certificate, certificates.key)
        async with answering(200, "", shown) as port:
            said = await published(config, f"http://127.0.0.1:{port}")

        assert "does not answer in HTTP; where it speaks TLS write https://" in said

    async def test_not_trusted(self, config: Path, certificates: Certificates) -> None:
        """A certificate of one's own is said to need its authority."""
        shown = Certificate(certificates.certificate, certificates.key)
        async with answering(200, "", shown) as port:
            said = await published(config, f"https://127.0.0.1:{port}")

        assert said.startswith(f"the certificate of https://127.0.0.1:{port} is not trusted: ")
        assert said.endswith(
            "SSL_CERT_FILE=FILE names an authority of your own, --url another name"
        )


class TestRefused:
    """The deployment refuses: its own words are told, and what must be alike."""

    async def test_of_another(self, config: Path) -> None:
        async with answering(401, '{"error":"the signature does not match"}') as port:
            url = f"http://127.0.0.1:{port}"

            assert await published(config, url) == (
                "answered 401: the signature does not match; "
                f"id, key and secret of app 1 must be those of {url}"
            )

    async def test_otherwise(self, config: Path) -> None:
        async with answering(413, '{"error":"too much"}') as port:
            assert await published(config, f"http://127.0.0.1:{port}") == "answered 413: too much"


async def test_silence(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and says nothing is given up."""
    monkeypatch.setattr(client, "TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        assert await published(config, url) == f"{url} does not answer in time; {ELSEWHERE}"
