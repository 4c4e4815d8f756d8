"""Requests of our own: what a name resolves to is what is connected to, and is judged there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import pytest

from libs.common.egress.client import Answer, EgressClient, NoAnswer, OutgoingRequest
from libs.common.egress.policy import Egress
from tests.support.deadline import DEADLINE
from tests.support.fakes.identity_server import IdentityServer, Said, identity_server
from tests.support.fakes.resolver import Names
from tests.support.servers.ports import free_port

HERE = Egress([ip_network("127.0.0.1/32")])


@pytest.fixture
async def server() -> AsyncIterator[IdentityServer]:
    async with identity_server() as server:
        yield server


@asynccontextmanager
async def calling(egress: Egress, names: Names | None = None) -> AsyncIterator[EgressClient]:
    client = EgressClient("webhook", egress, connections=4, per_host=0, resolver=names)
    async with asyncio.timeout(DEADLINE), client.opened():
        yield client


def get(url: str, **options: Any) -> OutgoingRequest:
    return OutgoingRequest("GET", url, **({"limit": 100, "timeout": DEADLINE} | options))


async def refused(client: EgressClient, request: OutgoingRequest) -> str:
    """Ask, and return why there was no answer."""
    with pytest.raises(NoAnswer) as caught:
        await client.ask(request)
    assert caught.value.backend == "webhook"
    return caught.value.reason


def port_of(server: IdentityServer) -> str:
    return server.url.rpartition(":")[2]


class TestAddresses:
    """OWASP, "Server-Side Request Forgery Prevention"."""

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0"]
    )
    async def test_this_machine(self, server: IdentityServer, host: str) -> None:
        """However it is written, nothing arrives."""
        async with calling(Egress()) as client:
            reason = await refused(client, get(f"http://{host}:{port_of(server)}/"))

        assert "no answer" in reason
        assert not server.asked

    async def test_said(self, server: IdentityServer) -> None:
        """Operators are told why."""
        async with calling(Egress()) as client:
            reason = await refused(client, get(server.url))

        assert reason == "no answer: 127.0.0.1 may not be called (egress.allow)"

    async def test_name(self, server: IdentityServer) -> None:
        """A name that leads to a private address leads nowhere."""
        async with calling(Egress(), Names(["127.0.0.1"])) as client:
            reason = await refused(client, get(f"http://example.org:{port_of(server)}/"))

        assert "127.0.0.1 may not be called" in reason

        assert not server.asked

    async def test_several(self, server: IdentityServer) -> None:
        """Of a name's addresses those that may be called are."""
        async with calling(HERE, Names(["10.0.0.1", "127.0.0.1"])) as client:
            answer = await client.ask(get(f"http://example.org:{port_of(server)}/"))

        assert answer.status == 200

    async def test_rebinding(self, server: IdentityServer) -> None:
        """A name that leads elsewhere the next time is judged by that: it is resolved once a connection."""
        names = Names(["127.0.0.1"], ["127.0.0.2"])
        url = f"http://example.org:{port_of(server)}/"
        server.answers(b"{}", Connection="close")
        async with calling(HERE, names) as client:
            assert (await client.ask(get(url))).status == 200
            assert client._session is not None
            connector: Any = client._session.connector
            connector.clear_dns_cache()
            reason = await refused(client, get(url))

        assert "127.0.0.2 may not be called" in reason

        assert len(names.asked) == len(server.asked) + 1 == 2


class TestBounds:
    """What a server may do with us."""

    async def test_redirection(self, server: IdentityServer) -> None:
        """It sends us nowhere."""
        server.says = lambda _: Said(b"", 302, {"Location": f"{server.url}/elsewhere"})
        async with calling(HERE) as client:
            answer = await client.ask(get(f"{server.url}/"))

        assert answer.status == 302
        assert [asked.path for asked in server.asked] == ["/"]

    async def test_no_proxy(self, server: IdentityServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """A proxy of the environment would be who resolves the name."""
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        async with calling(HERE) as client:
            assert (await client.ask(get(server.url))).status == 200

    async def test_long(self, server: IdentityServer) -> None:
        server.answers(b"x" * 101)
        async with calling(HERE) as client:
            reason = await refused(client, get(server.url))

            assert reason == "an answer of more than 100 bytes"
            assert await client.ask(get(server.url, cut=True)) == Answer(200, b"x" * 100)

    async def test_retry_after(self, server: IdentityServer) -> None:
        """When a server wants to be asked again is handed on as it said it."""
        server.says = lambda _: Said(b"", 503, {"Retry-After": "soon"})
        async with calling(HERE) as client:
            answer = await client.ask(get(server.url))

        assert answer == Answer(503, b"", "soon")

    async def test_slow(self, server: IdentityServer) -> None:
        server.hang()
        async with calling(HERE) as client:
            reason = await refused(client, get(server.url, timeout=0.05))

        assert reason == "no answer within 0.05 s"

    async def test_closed(self) -> None:
        client = EgressClient("webhook", HERE, connections=1, per_host=1)

        assert "before the start" in await refused(client, get("http://127.0.0.1/"))


class TestReasons:
    """Operators read why in words, and no names of Python's classes."""

    async def test_refused(self) -> None:
        async with calling(HERE) as client:
            reason = await refused(client, get(f"http://127.0.0.1:{free_port()}/"))

        assert reason == "no answer: connection refused"

    async def test_no_such_name(self) -> None:
        async with calling(HERE) as client:
            reason = await refused(client, get("http://nowhere.invalid/"))

        assert reason == "no answer: the name is not found"

    async def test_no_tls(self, server: IdentityServer) -> None:
        async with calling(HERE) as client:
            reason = await refused(client, get(f"https://127.0.0.1:{port_of(server)}/"))

        assert reason == "no answer: TLS fails"
